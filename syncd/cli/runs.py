"""`syncd runs`: what has run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, ago, moment, number, shown_error

if TYPE_CHECKING:
    from syncd.model.run import Run, RunStatus

app = typer.Typer()


@app.command(
    epilog=example("syncd runs", "syncd runs --job sync_orders --status failed", "syncd runs --limit 5 --json")
)
def runs(
    job: Annotated[str | None, typer.Option("--job", metavar="NAME", help="Only runs of this job.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only runs of this status, such as failed.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most, newest first.")] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    from syncd.cli.configuration import existing_state, load_settings
    from syncd.errors import NotFound
    from syncd.plugins import Plugins

    terminal = Terminal()
    wanted = None if status is None else _status(status)
    state = existing_state(load_settings(config, Plugins()))
    found: list[Run] = []
    if state is not None:
        try:
            job_id = None if job is None else state.jobs.get(job).id
            found = state.runs.list(job_id=job_id, status=wanted, limit=limit)
        finally:
            state.close()
    elif job is not None:
        raise NotFound(f"there is no run of {job!r}: nothing has run yet", "`syncd sync` runs a job now")
    if json:
        terminal.data([as_data(run) for run in found])
    else:
        say(terminal, found)


def as_data(run: Run) -> dict[str, Any]:
    """Return what programs are told about a run."""
    return {
        "run_id": run.id,
        "job": run.job_name,
        "job_version": run.job_version,
        "status": str(run.status),
        "trigger": str(run.trigger),
        "attempt": run.attempt,
        "created_at": moment(run.created_at),
        "scheduled_at": moment(run.scheduled_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "seconds": None if run.seconds is None else round(run.seconds, 3),
        "progress": run.progress,
        **run.counts.as_dict(),
        "watermark": run.watermark,
        "stages": {stage: round(seconds, 3) for stage, seconds in run.stages.items()},
        "error": shown_error(run.error),
    }


def say(terminal: Terminal, found: list[Run]) -> None:
    """Write runs for people."""
    if not found:
        terminal.note("no run fits: nothing has run yet, or nothing like this")
        return
    now = datetime.now(UTC)
    numbers = ("READ", "EMBEDDED", "UNCHANGED", "DELETED", "DEAD")
    terminal.table(
        ("RUN", "JOB", "STATUS", "STARTED", "SECONDS", *numbers),
        [
            (
                run.id,
                run.job_name,
                str(run.status),
                ago(run.started_at, now),
                "-" if run.seconds is None else f"{run.seconds:.1f}",
                number(run.counts.records_read),
                number(run.counts.embedded),
                number(run.counts.unchanged),
                number(run.counts.deleted),
                number(run.counts.dead_lettered),
            )
            for run in found
        ],
        right=("SECONDS", *numbers),
    )
    for run in found:
        if run.error is not None:
            terminal.say(f"{run.id}: {shown_error(run.error)}", "dim")


def _status(text: str) -> RunStatus:
    from syncd.model.run import RunStatus

    try:
        return RunStatus(text)
    except ValueError:
        known = ", ".join(RunStatus)
        raise typer.BadParameter(f"{text!r} is not a status; there are {known}", param_hint="--status") from None
