"""`syncd check`: does it fit together?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, number

if TYPE_CHECKING:
    from syncd.cli.checking import JobCheck

app = typer.Typer()


@app.command(epilog=example("syncd check", "syncd check sync_orders --config /etc/syncd --json"))
def check(
    jobs: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="The jobs to check; default: all.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Check the configuration and all that it names.

    Nothing is changed, no row is synced and no model is loaded.

    Exits with 2 when a job cannot work as it is defined, with 3 when something does not answer.
    """
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from syncd.cli.checking import check_all
    from syncd.cli.configuration import existing_state, load_settings, main_file, parts_of
    from syncd.cli.failure import YOUR_ENVIRONMENT, YOUR_INPUT
    from syncd.cli.overview import known_jobs
    from syncd.config.wording import quoted, suggestion
    from syncd.errors import NotFound
    from syncd.plugins import Plugins

    terminal = Terminal()
    plugins = Plugins()
    settings = load_settings(config, plugins)
    with ExitStack() as stack, terminal.waiting("checking"):
        state = existing_state(settings)
        if state is not None:
            stack.callback(state.close)
        known = {job.name: job.definition for job in known_jobs(settings, state, datetime.now(UTC))}
        names = list(dict.fromkeys(jobs or known))
        for name in names:
            if name not in known:
                raise NotFound(f"there is no job {quoted(name)} in the configuration", suggestion(name, known))
        parts = parts_of(settings, plugins, "syncd check", state)
        stack.callback(parts.close)
        checks = check_all({name: known[name] for name in names}, plugins, parts, state)
    file = main_file(config)
    if json:
        terminal.data({"config": str(file), "jobs": [as_data(found) for found in checks]})
    else:
        say(terminal, file, checks)
    findings = [finding for found in checks for finding in found.findings]
    if any(not finding.passing for finding in findings):
        raise typer.Exit(YOUR_INPUT)
    if findings:
        raise typer.Exit(YOUR_ENVIRONMENT)


def as_data(check: JobCheck) -> dict[str, Any]:
    """Return what programs are told about a job."""
    source, target = check.source, check.target
    return {
        "job": check.name,
        "ok": not check.findings,
        "faults": [
            {"message": f.message, "hint": f.hint, "kind": "environment" if f.passing else "definition"}
            for f in check.findings
        ],
        "source_table": check.definition.source_table,
        "source": None
        if source is None
        else {
            "key": list(source.key),
            "filter_column": source.filter_column,
            "filter_type": source.filter_type,
            "indexed": source.indexed,
            "index_hint": check.index_hint,
            "estimated_rows": source.estimated_rows,
            "null_filter_values": source.null_filter_values,
            "rows_ahead": source.rows_ahead,
            "warnings": list(source.warnings),
            "columns": [
                {
                    "name": column.name,
                    "null_share": round(column.null_share, 4),
                    "mean_length": round(column.mean_length, 1),
                    "longest": column.longest,
                }
                for column in source.profile
            ],
        },
        "watermark": None if check.watermark is None else str(check.watermark),
        "knowledge_base": {
            "name": target.name,
            "type": target.type,
            "place": target.place,
            "state": target.state,
            "chunks": target.chunks,
        },
        "embedder": {"name": target.embedder, "max_tokens": target.max_tokens},
    }


def say(terminal: Terminal, file: Path, checks: list[JobCheck]) -> None:
    """Write the findings for people."""
    terminal.say(f"{file}: {len(checks)} job{'s' if len(checks) != 1 else ''}")
    for check in checks:
        terminal.say("")
        terminal.say(f"{'✗' if check.findings else '✓'} {check.name}", "bold red" if check.findings else "bold green")
        for label, text in _lines(check):
            terminal.say(f"    {label:<15} {text}")
        for finding in check.findings:
            terminal.say(f"    fault           {finding.message}", "red")
            if finding.hint:
                terminal.say(f"                    -> {finding.hint}", "cyan")
        if check.source is not None:
            for warning in _warnings(check):
                terminal.say(f"    note            {warning}", "yellow")


def _lines(check: JobCheck) -> list[tuple[str, str]]:
    source, target = check.source, check.target
    lines = [("table", check.definition.source_table)]
    if source is not None:
        rows = "number of rows unknown" if source.estimated_rows is None else f"about {source.estimated_rows:,} rows"
        lines[0] = ("table", f"{source.table}, {rows}")
        lines += [
            ("key", ", ".join(source.key)),
            (
                "filter column",
                f"{source.filter_column} ({source.filter_type}), {'indexed' if source.indexed else 'not indexed'}",
            ),
            *(
                (
                    "content",
                    f"{column.name}: {column.null_share:.0%} NULL, {column.mean_length:,.0f} characters on average, "
                    f"{column.longest:,} at most",
                )
                for column in source.profile
            ),
        ]
    holds = "" if target.chunks is None else f", {number(target.chunks)} chunks"
    lines.append(("knowledge base", f"{target.name} ({target.type}, {target.place}), {target.state}{holds}"))
    reads = "" if target.max_tokens is None else f", reads {target.max_tokens} tokens at once"
    lines.append(("embedder", f"{target.embedder}{reads}"))
    if source is not None:
        since = "from the beginning" if check.watermark is None else f"watermark {check.watermark}"
        lines.append(("next run", f"reads {source.rows_ahead:,} rows ({since})"))
    return lines


def _warnings(check: JobCheck) -> list[str]:
    source = check.source
    assert source is not None
    found = list(source.warnings)
    if source.null_filter_values:
        found.append(
            f"{source.null_filter_values:,} row(s) are never read, because their {source.filter_column} is NULL: "
            f"give them a value"
        )
    if check.index_hint is not None:
        found.append(f"without an index every run reads the whole table: {check.index_hint}")
    return found
