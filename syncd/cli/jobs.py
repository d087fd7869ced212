"""`syncd jobs`: what is defined; what changes it is in files of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example, outer
from syncd.cli.terminal import Terminal, shown_error

if TYPE_CHECKING:
    from syncd.model.job import Job

app = typer.Typer(name="jobs", epilog=example("syncd jobs", "syncd jobs --json", "syncd jobs trigger sync_orders"))


@app.callback(invoke_without_command=True)
def jobs(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the jobs as they are defined.

    `syncd status` shows how they stand.
    """
    if context.invoked_subcommand is not None:
        context.obj = (config, json)
        return
    terminal = Terminal()
    found = _known(config)
    if json:
        terminal.data([as_data(job) for job in found])
        return
    if not found:
        terminal.note("there are no jobs in the configuration")
        return
    terminal.table(
        ("JOB", "TABLE", "KNOWLEDGE BASE", "INTERVAL", "FILTER COLUMN", "FROM", "VERSION"),
        [
            (
                job.name,
                job.definition.source_table,
                job.definition.kb_name,
                job.definition.interval,
                job.definition.filter_column,
                str(job.origin),
                str(job.version) if job.version else "new",
            )
            for job in found
        ],
    )


@app.command(epilog=example("syncd jobs show sync_orders", "syncd jobs show sync_orders --json"))
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The job.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one job's whole definition."""
    from syncd.config.wording import quoted, suggestion
    from syncd.errors import NotFound

    terminal = Terminal()
    config, json = outer(context, config, json)
    found = {job.name: job for job in _known(config)}
    if name not in found:
        raise NotFound(f"there is no job {quoted(name)}", suggestion(name, found))
    data = as_data(found[name])
    if json:
        terminal.data(data)
        return
    definition = data.pop("definition")
    for key, value in {**data, **definition}.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        terminal.say(f"{key:<18} {'-' if value in (None, []) else text}")


def as_data(job: Job) -> dict[str, Any]:
    """Return what programs are told about a definition; version 0 is one that no run and no daemon has seen."""
    return {
        "job": job.name,
        "origin": str(job.origin),
        "version": job.version,
        "paused": job.paused,
        "blocked_reason": shown_error(job.blocked),
        "definition": job.definition.model_dump(mode="json"),
    }


def _known(config: Path | None) -> list[Job]:
    from syncd.cli.configuration import existing_state, load_settings
    from syncd.cli.overview import known_jobs
    from syncd.plugins import Plugins

    settings = load_settings(config, Plugins())
    state = existing_state(settings)
    try:
        return known_jobs(settings, state, datetime.now(UTC))
    finally:
        if state is not None:
            state.close()
