"""`syncd verify`: the proof that a knowledge base says what its table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from syncd.cli.inspecting import Inspecting
    from syncd.model.run import Run

app = typer.Typer()

DIFFERS = 1
MOST_SHOWN = 50


@app.command(
    epilog=example(
        "syncd verify sync_orders",
        "syncd verify sync_orders --json",
        "syncd verify sync_orders --repair    # embeds only what is not held any more",
    )
)
def verify(
    name: Annotated[str, typer.Argument(metavar="JOB", help="The job.")],
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare a job's whole table with its knowledge base, chunk by chunk, and name every document that differs.

    A document is missing, stale, orphaned, duplicated, or unreachable: not found by its own vector. Rows that the next
    run will read are counted, and are no difference.

    Works beside a daemon too. Changes nothing without --repair.

    Exits with 1 when something differs, and with --repair when something could not be mended.
    """
    from syncd.attempt import Stop
    from syncd.cli.execution import asked_to_stop, succeeded
    from syncd.cli.inspecting import inspecting
    from syncd.cli.interrupt import on_interrupt
    from syncd.cli.logs import log_to_stderr

    log_to_stderr()
    terminal = Terminal()
    stop = Stop()
    with inspecting(config, name, "syncd verify", stop) as place:
        differences, result = _compared(terminal, place, name)
        if not json:
            _say(terminal, name, differences, result)
        run = None
        if repair and differences:
            with on_interrupt(lambda: stop.ask(asked_to_stop())):
                run = _repaired(terminal, place, name, quiet=json)
    if json:
        from syncd.cli.sync import as_data

        told = {"job": name, **result, "differences": differences, "by_kind": result["differences"]}
        terminal.data(told | {"repair": None if run is None else as_data(run)})
    good = succeeded(run) if run is not None else not differences
    raise typer.Exit(0 if good else DIFFERS)


def _compared(terminal: Terminal, place: Inspecting, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if not terminal.err.is_terminal:
        return place.hands.verify(lambda _: None)
    with terminal.err.status(f"comparing {name}") as status:
        return place.hands.verify(_progress(status.update, name))


def _progress(show: Callable[[str], None], name: str) -> Callable[[dict[str, Any]], None]:
    def so_far(told: dict[str, Any]) -> None:
        show(f"comparing {name}: {told['rows']:,} rows, {told['chunks']:,} chunks")

    return so_far


def _repaired(terminal: Terminal, place: Inspecting, name: str, *, quiet: bool) -> Run:
    from syncd.cli.progress import shown
    from syncd.cli.sync import say

    with shown(terminal.err, name) as progress:
        run = place.repair(progress)
    if not quiet:
        say(terminal, run)
    return run


def _say(terminal: Terminal, name: str, differences: list[dict[str, Any]], result: dict[str, Any]) -> None:
    if differences:
        rows = [(one["kind"], one["document_id"], one["detail"]) for one in differences[:MOST_SHOWN]]
        terminal.table(("", "document", "what differs"), rows)
        if len(differences) > MOST_SHOWN:
            terminal.note(f"and {len(differences) - MOST_SHOWN:,} more: --json names them all")
    compared = f"{result['rows']:,} rows, {result['documents']:,} documents, {result['chunks']:,} chunks compared"
    found = ", ".join(f"{count:,} {kind}" for kind, count in result["differences"].items() if count)
    terminal.say(f"{name}: {found or 'in step'}: {compared}", "yellow" if found else "green")
    for field, meaning in _WAITING.items():
        if result[field]:
            terminal.note(f"  {result[field]:,} {meaning}")


_WAITING = {
    "ahead": "rows wait for the next run",
    "quarantined": "rows are in the dead letters, or cannot be read",
    "without_value": "rows have no filter value, so that no run reads them",
    "left_out": "rows lie below `initial`, where the job began",
}
