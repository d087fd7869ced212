"""Rules between the parts of a configuration, which no part can check alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from syncd.config.settings import KnowledgeBaseConfig, Limits
from syncd.config.validation import Report
from syncd.config.wording import quoted, suggestion
from syncd.model.job import JobDefinition


def check_names(report: Report, jobs: Iterable[str]) -> None:
    """Report jobs that name a database or knowledge base that does not exist, whatever else is wrong with them."""
    for name in jobs:
        table = report.node("jobs", name, "source_table")
        if table is not None and table.text is not None and "." in table.text:
            database = table.text.split(".")[0]
            _check_exists(report, ("jobs", name, "source_table"), "database", database, "databases")
        target = report.node("jobs", name, "kb_name")
        if target is not None and target.text:
            _check_exists(report, ("jobs", name, "kb_name"), "knowledge base", target.text, "knowledge_bases")


def check_jobs(report: Report, jobs: Mapping[str, JobDefinition], limits: Limits | None) -> None:
    """Report jobs that pass a limit, or fill what another job fills.

    Args:
        limits: None where they are faulty themselves, and nothing can be held against them.
    """
    writers: dict[tuple[str, str], str] = {}
    for name, job in jobs.items():
        first = writers.setdefault((job.source_table, job.kb_name), name)
        if first != name:
            report.add(
                ("jobs", name, "source_table"),
                f"job {first} already syncs {job.source_table} into {job.kb_name}: "
                f"remove one of the two, or give this one another knowledge base",
            )
        if limits is not None:
            _check_schedule(report, name, job, limits)
    if limits is not None:
        _check_number(report, [name for name, job in jobs.items() if job.enabled], limits.max_active_jobs)


def _check_number(report: Report, enabled: list[str], most: int) -> None:
    if len(enabled) > most:
        report.add_key(
            ("jobs", enabled[most]),
            f"there are {len(enabled)} enabled jobs, and limits.max_active_jobs is {most}: "
            f"disable some with `enabled: false`, or raise the limit",
        )


def _check_exists(report: Report, path: tuple[str, ...], what: str, name: str, section: str) -> None:
    node = report.root.child(section)
    known = node.value if node is not None and isinstance(node.value, dict) else {}
    if name not in known:
        report.add(path, f"there is no {what} {quoted(name)} in {section}: {suggestion(name, known)}")


def _check_schedule(report: Report, name: str, job: JobDefinition, limits: Limits) -> None:
    schedule = job.schedule
    if schedule.shortest < limits.shortest_interval:
        field, interval = job.shortest_interval
        report.add(
            ("jobs", name, *field.split(".")),
            f"{interval} is shorter than limits.min_interval, {limits.min_interval}: write a longer one",
        )
    if schedule.start is None or schedule.end is None:
        return
    if schedule.end - schedule.start > limits.longest_duration:
        report.add(
            ("jobs", name, "end_time"),
            f"end_time is more than limits.max_duration, {limits.max_duration}, after start_time: "
            f"bring them closer, or leave one of them out",
        )


def check_paths(report: Report, knowledge_bases: Mapping[str, KnowledgeBaseConfig]) -> None:
    """Report knowledge bases that would share one folder, which only one may own (invariant 5)."""
    owners: dict[Path, str] = {}
    for name, config in knowledge_bases.items():
        folder = getattr(config.store.options, "path", None)
        if not isinstance(folder, str | Path):
            continue
        first = owners.setdefault(Path(folder).resolve(), name)
        if first != name:
            report.add(
                ("knowledge_bases", name, "path"),
                f"knowledge base {first} is kept in the same folder: give each a path of its own",
            )
