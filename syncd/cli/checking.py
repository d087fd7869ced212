"""Looks at everything that a job needs, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from syncd.config.settings import KnowledgeBaseConfig
from syncd.errors import InUse, SyncdError, TransientError, Unavailable
from syncd.model.job import JobDefinition
from syncd.model.watermark import Watermark
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.ports import SourceReport
from syncd.state import State

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps a job from working.

    Args:
        passing: it lies in the environment and may pass; otherwise the configuration or what it names is at fault.
    """

    message: str
    hint: str
    passing: bool

    @classmethod
    def of(cls, error: SyncdError) -> Finding:
        """Tell an error as a finding."""
        return cls(error.message, error.hint, isinstance(error, TransientError | Unavailable))


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """What was found out about a knowledge base and its embedder.

    Args:
        place: the folder or the URL.
        state: whether it is there, and who has it.
        chunks: how many it holds, None where that could not be seen.
        max_tokens: the longest text that the model reads whole, None where that could not be seen.
    """

    name: str
    type: str
    place: str
    embedder: str
    state: str
    chunks: int | None
    max_tokens: int | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class JobCheck:
    """What was found out about a job.

    Args:
        source: None where the table could not be looked at.
        watermark: where the next run starts, None for the beginning.
    """

    name: str
    definition: JobDefinition
    source: SourceReport | None
    target: TargetCheck
    watermark: Watermark | None
    findings: tuple[Finding, ...]

    @property
    def index_hint(self) -> str | None:
        """The statement that makes runs quick on a large table, None where the filter column is indexed."""
        if self.source is None or self.source.indexed:
            return None
        names = dict.fromkeys((self.source.filter_column, *self.source.key))
        table = self.definition.source_table.partition(".")[2]
        index = re.sub(r"\W+", "_", "_".join(("syncd", table, *names)))[:60]
        place = ".".join(map(_quoted, table.split(".")))
        return f"CREATE INDEX {_quoted(index)} ON {place} ({', '.join(map(_quoted, names))});"


def check_all(jobs: Mapping[str, JobDefinition], plugins: Plugins, parts: Parts, state: State | None) -> list[JobCheck]:
    """Check these jobs, several at once.

    Args:
        jobs: the jobs as they are defined now, by name.
        plugins: the types that the configuration names.
        parts: opens sources and knowledge bases.
        state: knows how far jobs have come; None where nothing has run yet.
    """
    configs = parts.knowledge_bases()
    wanted = dict.fromkeys(job.kb_name for job in jobs.values())
    targets = {
        name: _check_target(name, configs[name], plugins, parts) if name in configs else _missing(name, parts)
        for name in wanted
    }
    watermarks = _watermarks(jobs, state)

    def check(name: str) -> JobCheck:
        definition = jobs[name]
        target = targets[definition.kb_name]
        watermark = watermarks.get(name)
        source, findings = None, list(target.findings)
        try:
            source = _report(parts, definition, watermark)
        except SyncdError as error:
            findings.insert(0, Finding.of(error))
        return JobCheck(name, definition, source, target, watermark, tuple(findings))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(check, jobs))


def _report(parts: Parts, definition: JobDefinition, watermark: Watermark | None) -> SourceReport:
    source = parts.source(definition)
    try:
        return source.report(watermark)
    finally:
        source.close()


def _missing(name: str, parts: Parts) -> TargetCheck:
    finding = Finding(f"there is no knowledge base {name}", parts.left_out().get(name, ""), passing=False)
    return TargetCheck(name, "-", "-", "-", "missing", None, None, (finding,))


def _watermarks(jobs: Mapping[str, JobDefinition], state: State | None) -> Mapping[str, Watermark]:
    """Return the watermarks that still apply to the jobs as they are configured now."""
    if state is None:
        return {}
    found: dict[str, Watermark] = {}
    for job in state.jobs.list():
        checkpoint = state.checkpoints.get(job.id)
        definition = jobs.get(job.name)
        if checkpoint is not None and definition is not None and checkpoint.meaning == definition.meaning():
            found[job.name] = checkpoint.watermark
    return found


def _check_target(name: str, config: KnowledgeBaseConfig, plugins: Plugins, parts: Parts) -> TargetCheck:
    findings: list[Finding] = []
    max_tokens = chunks = None
    try:
        max_tokens = plugins.embedder(config.embedder).max_tokens
    except SyncdError as error:
        findings.append(Finding.of(error))
    if findings:
        state = "not looked at"
    else:
        state, chunks = _look_into(name, config, parts, findings)
    return TargetCheck(
        name=name,
        type=config.store.type,
        place=_place(config),
        embedder=_embedder(config),
        state=state,
        chunks=chunks,
        max_tokens=max_tokens,
        findings=tuple(findings),
    )


def _look_into(name: str, config: KnowledgeBaseConfig, parts: Parts, findings: list[Finding]) -> tuple[str, int | None]:
    """See what a knowledge base holds, and whether it takes vectors of this embedder."""
    try:
        # Opening one that is not there would make it.
        return ("ready", parts.count(name)) if parts.is_stored(name, config.store) else ("new", None)
    except InUse as error:
        return f"in use by {error.holder.get('role', 'another process')}, pid {error.holder.get('pid', '?')}", None
    except SyncdError as error:
        findings.append(Finding.of(error))
        return "not usable", None


def _place(config: KnowledgeBaseConfig) -> str:
    from syncd.telemetry import hide_passwords

    options = config.store.options
    place = getattr(options, "path", None) or getattr(options, "url", None)
    if place is None:
        return "-"
    return hide_passwords(str(getattr(place, "get_secret_value", lambda: place)()))


def _embedder(config: KnowledgeBaseConfig) -> str:
    model = getattr(config.embedder.options, "model", None)
    return config.embedder.type if model is None else f"{config.embedder.type} {model}"


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
