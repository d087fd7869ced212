"""`syncd jobs trigger` and `history`: a job's runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, SweepOption, example, outer
from syncd.cli.terminal import Terminal
from syncd.model.access import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.client import Client
    from syncd.tally import Tally

app = typer.Typer()

INTERRUPTED = 130

NameArgument = Annotated[str, typer.Argument(help="The job.")]


@app.command(
    epilog=example(
        "syncd jobs trigger sync_orders",
        "syncd jobs trigger sync_orders --full --no-wait",
        "syncd jobs trigger sync_orders --variable region=EU --idempotency-key monday --json",
    )
)
def trigger(
    context: typer.Context,
    name: NameArgument,
    full: Annotated[bool, typer.Option("--full", help="Compare the whole table.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Read at most this many rows.")] = None,
    sweep: SweepOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be written, and write nothing.")] = False,
    variable: Annotated[
        list[str] | None,
        typer.Option("--variable", metavar="NAME=VALUE", help="A value for the job's filters; may be repeated."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="KEY", help="The same key within a day means the same run."),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only ask for it.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Ask for a run of a job, and follow it to its end.

    The daemon runs it; Ctrl-C leaves it going. Without a daemon it waits for one; `syncd sync` runs a job at once.

    Exits with 1 when the run failed or left rows in the dead letters, with 130 after Ctrl-C.
    """
    from syncd.cli import runs, sync
    from syncd.cli.desk import InDaemon, desk
    from syncd.cli.execution import succeeded
    from syncd.cli.search import condition
    from syncd.model.run import RunOptions

    config, json = outer(context, config, json)
    values = dict(condition(item, "--variable NAME=VALUE") for item in variable or ())
    terminal = Terminal()
    with desk(config, Scope.JOBS_TRIGGER, Scope.RUNS_READ) as place:
        options = RunOptions(full, limit, dry_run, sweep, variables=values)
        asked = place.hands.trigger(place.job(name), options, idempotency_key)
        client = place.hands.client if isinstance(place.hands, InDaemon) else None
        if client is not None and not no_wait:
            _follow(terminal, client, asked, name)
        run = place.run(asked)
    if json:
        terminal.data(runs.as_data(run))
    elif run.status.live:
        terminal.say(f"{run.id} of {name} is {run.status}")
        if client is None:
            terminal.note(f"it begins when the daemon does; `syncd sync {name}` runs it now")
    else:
        sync.say(terminal, run)
    raise typer.Exit(0 if run.status.live or succeeded(run) else 1)


@app.command(epilog=example("syncd jobs history sync_orders", "syncd jobs history sync_orders --limit 5 --json"))
def history(
    context: typer.Context,
    name: NameArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many runs at most, newest first.")] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List a job's runs, newest first."""
    from syncd.cli import runs
    from syncd.cli.configuration import existing_state, load_settings
    from syncd.cli.overview import known_jobs
    from syncd.config.wording import quoted, suggestion
    from syncd.errors import NotFound
    from syncd.plugins import Plugins

    config, json = outer(context, config, json)
    settings = load_settings(config, Plugins())
    state = existing_state(settings)
    try:
        job = None if state is None else state.jobs.find(name)
        known = [job.name for job in known_jobs(settings, state, datetime.now(UTC))]
        if job is None and name not in known:
            raise NotFound(f"there is no job {quoted(name)}", suggestion(name, known))
        found = [] if state is None or job is None else state.runs.list(job_id=job.id, limit=limit)
    finally:
        if state is not None:
            state.close()
    terminal = Terminal()
    if json:
        terminal.data([runs.as_data(run) for run in found])
    else:
        runs.say(terminal, found)


def _follow(terminal: Terminal, client: Client, run: str, job: str) -> None:
    from syncd.cli.logs import log_to_stderr
    from syncd.cli.progress import shown

    log_to_stderr()
    try:
        terminal.note(f"{run} of {job} is asked for; Ctrl-C leaves it going")
        with shown(terminal.err, job) as progress:
            for told in client.runs.events(run):
                progress(tally(told))
    except KeyboardInterrupt:
        terminal.note(
            f"{run} goes on in the daemon: `syncd jobs history {job}` shows it, `syncd jobs cancel {job}` ends it",
            "yellow",
        )
        raise typer.Exit(INTERRUPTED) from None


def tally(run: Mapping[str, Any]) -> Tally:
    """Return how far a run is, as a daemon tells it, for the progress bar."""
    from dataclasses import fields

    from syncd.model.run import Counts
    from syncd.tally import Tally

    counts = Counts(**{field.name: run[field.name] for field in fields(Counts)})
    progress = run["progress"]
    return Tally(counts, dict(run["stages"]), round(counts.records_read / progress) if progress else None)
