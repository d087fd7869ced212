"""`syncd status`: how jobs stand."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, ago, moment, number, shown_error

if TYPE_CHECKING:
    from syncd.cli.overview import Standing

app = typer.Typer()


@app.command(epilog=example("syncd status", "syncd status --json"))
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show how each job stands.

    That is its state, its last and next run, its watermark, and how many rows it is behind its table.
    """
    from contextlib import ExitStack
    from datetime import UTC

    from syncd.cli.configuration import existing_state, load_settings, parts_of
    from syncd.cli.overview import standings
    from syncd.plugins import Plugins

    terminal = Terminal()
    plugins = Plugins()
    settings = load_settings(config, plugins)
    now = datetime.now(UTC)
    with ExitStack() as stack, terminal.waiting("asking the databases"):
        state = existing_state(settings)
        if state is not None:
            stack.callback(state.close)
        parts = parts_of(settings, plugins, "syncd status", state)
        stack.callback(parts.close)
        found = standings(settings, state, parts, now)
    if json:
        terminal.data([as_data(standing) for standing in found])
    else:
        say(terminal, found, now)


def as_data(standing: Standing) -> dict[str, Any]:
    """Return what programs are told about how a job stands."""
    from syncd.cli.runs import as_data as run_data

    job = standing.job
    return {
        "job": job.name,
        "status": str(standing.status),
        "source_table": job.definition.source_table,
        "kb_name": job.definition.kb_name,
        "live_run": None if standing.live is None else run_data(standing.live),
        "last_run": None if standing.last is None else run_data(standing.last),
        "next_run": moment(standing.next_run),
        "watermark": standing.watermark,
        "rows_behind": standing.rows_behind,
        "rows_behind_unknown": shown_error(standing.unknown or None),
        "dead_letters": standing.dead_letters,
        "blocked_reason": shown_error(job.blocked),
    }


def say(terminal: Terminal, found: list[Standing], now: datetime) -> None:
    """Write how jobs stand for people: a table, then what needs attention."""
    if not found:
        terminal.note("there are no jobs in the configuration")
        return
    terminal.table(
        ("JOB", "STATE", "LAST RUN", "NEXT RUN", "WATERMARK", "BEHIND"),
        [_row(standing, now) for standing in found],
        right=("BEHIND",),
    )
    for standing in found:
        job = standing.job
        if job.blocked is not None:
            terminal.say(f"{job.name} is blocked: {shown_error(job.blocked)}", "red")
        elif standing.last is not None and standing.last.error is not None:
            terminal.say(
                f"{job.name}: the last run {standing.last.status}: {shown_error(standing.last.error)}", "yellow"
            )
        if standing.unknown:
            terminal.say(f"{job.name}: how far it is behind is not known: {shown_error(standing.unknown)}", "yellow")
        if standing.dead_letters:
            listing = f"`syncd dead-letters list {job.name}` tells why"
            terminal.say(f"{job.name}: {standing.dead_letters:,} rows wait in the dead letters: {listing}", "yellow")


def _row(standing: Standing, now: datetime) -> tuple[str, ...]:
    last, live = standing.last, standing.live
    state = str(standing.status)
    if live is not None:
        share = "" if live.progress is None else f" {live.progress:.0%}"
        state = f"{live.status}{share}"
    behind = "?" if standing.unknown else "-" if standing.rows_behind is None else number(standing.rows_behind)
    return (
        standing.job.name,
        state,
        "-" if last is None else f"{last.status} {ago(last.finished_at, now)}",
        ago(standing.next_run, now),
        standing.watermark or "-",
        behind,
    )
