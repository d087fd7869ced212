"""`syncd jobs pause`, `resume`, `approve`, `cancel` and `delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import ConfigOption, JsonOption, example, outer
from syncd.cli.terminal import Terminal
from syncd.model.access import Scope

if TYPE_CHECKING:
    from syncd.model.job import Job

app = typer.Typer()

NameArgument = Annotated[str, typer.Argument(help="The job.")]


@app.command(epilog=example("syncd jobs pause sync_orders"))
def pause(context: typer.Context, name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Stop a job's ticks until it is resumed.

    A run that goes on is not touched.
    """
    from syncd.cli.desk import desk

    config, json = outer(context, config, json)
    with desk(config, Scope.JOBS_WRITE) as place:
        place.hands.pause(place.job(name))
        job = place.job(name)
    _show(job, f"{job.name} is paused, until `syncd jobs resume {job.name}`", json=json)


@app.command(epilog=example("syncd jobs resume sync_orders"))
def resume(context: typer.Context, name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let a paused job have ticks again.

    Those that were missed become one run.
    """
    from syncd.cli.desk import desk

    config, json = outer(context, config, json)
    with desk(config, Scope.JOBS_WRITE) as place:
        place.hands.resume(place.job(name))
        job = place.job(name)
    _show(job, f"{job.name} runs again, every {job.definition.interval}", json=json)


@app.command(epilog=example("syncd jobs approve sync_orders"))
def approve(context: typer.Context, name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let a sweep that waits remove as many documents as it would have, and ask for a run that does.

    `syncd jobs show` tells whether one waits, and how many those are. When more rows have gone by then, it waits again.
    """
    from syncd.cli.desk import desk

    config, json = outer(context, config, json)
    with desk(config, Scope.JOBS_WRITE) as place:
        documents, asked = place.hands.approve(place.job(name))
        run = place.run(asked)
    if json:
        Terminal().data({"job": name, "documents": documents, "run_id": run.id, "status": str(run.status)})
        return
    Terminal().say(f"{run.id} of {name} is {run.status}: it may remove {documents:,} documents that have no row")
    Terminal().note(f"`syncd jobs history {name}` shows how it ends; without a daemon `syncd sync {name}` runs it now")


@app.command(epilog=example("syncd jobs cancel sync_orders"))
def cancel(context: typer.Context, name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Cancel a job's runs: those that wait at once, the one that goes on at its next batch.

    What was written stays, and the next run goes on from there.
    """
    from syncd.cli.desk import desk
    from syncd.cli.runs import as_data

    config, json = outer(context, config, json)
    terminal = Terminal()
    with desk(config, Scope.RUNS_WRITE) as place:
        live = place.state.runs.unfinished(place.job(name).id)
        for run in live:
            place.hands.cancel(run)
        runs = [place.state.runs.get(run.number) for run in live]
    if json:
        terminal.data([as_data(run) for run in runs])
        return
    if not runs:
        terminal.note(f"{name} has no run that waits or goes on")
    for run in runs:
        terminal.say(f"{run.id} of {run.job_name}: {run.status}")


@app.command(
    epilog=example("syncd jobs delete sync_orders", "syncd jobs delete sync_orders --cancel --purge-documents")
)
def delete(
    context: typer.Context,
    name: NameArgument,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel its runs first.")] = False,
    purge_documents: Annotated[
        bool, typer.Option("--purge-documents", help="Remove its documents from the knowledge base too.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Delete a job that `syncd jobs create` or the API made.

    Its runs stay in the history. A job of the configuration is deleted in its file.
    """
    from syncd.cli.desk import desk

    config, _ = outer(context, config, False)
    with desk(config, Scope.JOBS_WRITE) as place:
        place.hands.delete(place.job(name), cancel=cancel, purge=purge_documents)
    Terminal().note(f"{name} is deleted" + (", and so are its documents" if purge_documents else ""))


def _show(job: Job, said: str, *, json: bool) -> None:
    from syncd.cli.jobs import as_data

    if json:
        Terminal().data(as_data(job))
    else:
        Terminal().say(said)
