"""`syncd sync`: one run now."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, SweepOption, example
from syncd.cli.terminal import Terminal, shown_error

if TYPE_CHECKING:
    from syncd.config.settings import Settings
    from syncd.model.run import Run, RunOptions

app = typer.Typer()

COUNTS = (
    "records_read",
    "embedded",
    "recalled",
    "inserted",
    "metadata_updated",
    "unchanged",
    "deleted",
    "dead_lettered",
    "chunks",
    "truncated_tokens",
    "swept",
    "repaired",
)


@app.command(
    epilog=example(
        "syncd sync sync_orders",
        "syncd sync --all --json",
        "syncd sync sync_orders --full    # compare the whole table again",
        "syncd sync sync_orders --limit 1000",
    )
)
def sync(
    jobs: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="The jobs to run.")] = None,
    all_jobs: Annotated[bool, typer.Option("--all", help="Run every job that is enabled.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read the table from its beginning.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Read at most this many rows.")] = None,
    sweep: SweepOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run jobs now, one after the other.

    Works beside a daemon too: what it owns, it runs. Ctrl-C stops at the next batch; nothing is lost.

    With --json, one JOB gives an object; several, or --all, give a list.

    Exits with 1 when a run failed or left rows in the dead letters.
    """
    names = jobs or []
    if bool(names) == all_jobs:
        raise typer.BadParameter("name the jobs to run, or give --all")
    from syncd.cli.configuration import load_settings
    from syncd.cli.logs import log_to_stderr
    from syncd.model.run import RunOptions
    from syncd.plugins import Plugins

    log_to_stderr()
    terminal = Terminal()
    plugins = Plugins()
    settings = load_settings(config, plugins)
    wanted = list(dict.fromkeys(names)) or [name for name, job in settings.jobs.items() if job.enabled]
    if not wanted:
        terminal.note("there is no enabled job in the configuration")
    runs, code = run_all(terminal, settings, dict.fromkeys(wanted, RunOptions(full, limit, sweep=sweep)), quiet=json)
    if json and (runs or not code):
        records = [as_data(run) for run in runs]
        terminal.data(records[0] if len(names) == 1 else records)
    raise typer.Exit(code)


def run_all(
    terminal: Terminal, settings: Settings, wanted: Mapping[str, RunOptions], *, quiet: bool
) -> tuple[list[Run], int]:
    """Run jobs one after the other, each as it is wanted; return the runs that were begun, and what to exit with."""
    from syncd.attempt import Stop
    from syncd.cli.configuration import parts_of
    from syncd.cli.execution import Execution, asked_to_stop, succeeded
    from syncd.cli.failure import RUN_FAILED, exit_code, tell
    from syncd.cli.interrupt import on_interrupt
    from syncd.cli.progress import shown
    from syncd.errors import Cancelled, SyncdError
    from syncd.plugins import Plugins
    from syncd.state import State

    runs: list[Run] = []
    codes = [0]
    stop = Stop()

    def interrupted() -> None:
        stop.ask(asked_to_stop())
        terminal.note("stopping at the end of this batch; Ctrl-C again stops at once", "yellow")

    with ExitStack() as stack:
        state = State.open(settings.state.get_secret_value())
        stack.callback(state.close)
        parts = parts_of(settings, Plugins(), "syncd sync", state)
        stack.callback(parts.close)
        stack.enter_context(on_interrupt(interrupted))
        execution = Execution(settings, state, parts, stop)
        execution.prepare(list(wanted))
        for name, options in wanted.items():
            try:
                with shown(terminal.err, name) as progress:
                    run = execution.run(name, options, progress)
            except Cancelled:
                codes.append(RUN_FAILED)
                break
            except SyncdError as error:
                tell(error)
                codes.append(exit_code(error))
                continue
            runs.append(run)
            codes.append(0 if succeeded(run) else RUN_FAILED)
            if not quiet:
                say(terminal, run)
    return runs, max(codes)


def as_data(run: Run) -> dict[str, Any]:
    """Return what programs are told about a run that ended."""
    return {
        "job": run.job_name,
        "run_id": run.id,
        "status": str(run.status),
        **run.counts.as_dict(),
        "watermark": run.watermark,
        "seconds": None if run.seconds is None else round(run.seconds, 3),
        "stages": {stage: round(seconds, 3) for stage, seconds in run.stages.items()},
        "error": shown_error(run.error),
    }


def say(terminal: Terminal, run: Run) -> None:
    """Write how a run ended, in a line or two."""
    from syncd.model.run import RunStatus

    counts = run.counts
    seconds = run.seconds or 0.0
    if run.error is not None:
        style = "yellow" if run.status is RunStatus.CANCELED else "red"
        terminal.say(f"{run.job_name}: {run.status} after {seconds:.1f} s: {shown_error(run.error)}", style)
    done = [f"{counts.records_read:,} read", f"{counts.embedded:,} embedded", f"{counts.unchanged:,} unchanged"]
    rest = {
        "recalled": counts.recalled,
        "metadata updated": counts.metadata_updated,
        "deleted": counts.deleted,
        "swept": counts.swept,
        "repaired": counts.repaired,
        "dead letters": counts.dead_lettered,
    }
    done += [f"{count:,} {what}" for what, count in rest.items() if count]
    if counts.embedded and seconds:
        done.append(f"{counts.records_read / seconds:,.0f} rows/s")
    style = "green" if run.status is RunStatus.COMPLETED else "yellow"
    end = f"{run.status} in {seconds:.1f} s" if run.error is None else "before that"
    terminal.say(f"{run.job_name}: {end}: {', '.join(done)}", style if run.error is None else "")
    if counts.dead_lettered:
        listing = f"`syncd dead-letters list {run.job_name}`"
        terminal.note(f"  some rows are dead letters now: {listing} tells why; the rest is synced")
    if counts.truncated_tokens:
        terminal.note(f"  {counts.truncated_tokens:,} tokens did not fit the model and were cut off")
