"""`syncd plan`: what the next run will do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal

app = typer.Typer()


@app.command(epilog=example("syncd plan sync_orders", "syncd plan sync_orders --json"))
def plan(
    name: Annotated[str, typer.Argument(metavar="JOB", help="The job.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Predict what a job's next run will insert, update, delete and embed, and how long it will take.

    The table is read, compared and split as the run will do it; of the texts only a sample is embedded. Nothing is
    written. Works beside a daemon too.
    """
    from syncd.cli.inspecting import inspecting
    from syncd.cli.logs import log_to_stderr

    log_to_stderr()
    terminal = Terminal()
    with inspecting(config, name, "syncd plan") as place, terminal.waiting(f"reading the table of {name}"):
        told = place.hands.plan()
    if json:
        terminal.data({"job": name, **told})
    else:
        _say(terminal, name, told)


def _say(terminal: Terminal, name: str, told: dict[str, Any]) -> None:
    if told["from_beginning"] is not None:
        terminal.note(f"the table will be compared from its beginning: {told['from_beginning']}", "yellow")
    rows = [
        ("rows to read", told["records_read"] + told["swept"]),
        ("documents to insert", told["inserted"]),
        ("documents to embed anew", told["updated"]),
        ("metadata to update", told["metadata_updated"]),
        ("documents to delete", told["deleted"]),
        ("unchanged rows", told["unchanged"]),
        ("chunks to embed", told["chunks"]),
        ("rows that cannot be read", told["dead_lettered"]),
    ]
    terminal.table((name, "next run"), [(what, f"{count:,}") for what, count in rows], right=("next run",))
    sweep = ", with a sweep of the whole table" if told["sweeps"] else ""
    loaded = " once the model is loaded" if told["chunks"] else ""
    terminal.say(f"about {_duration(told['seconds'])}{loaded}{sweep}")
    if told["withheld"] is not None:
        terminal.note(told["withheld"], "yellow")


def _duration(seconds: float) -> str:
    from datetime import timedelta

    from syncd.cli.terminal import span

    return f"{seconds:.1f} s" if seconds < 60 else span(timedelta(seconds=seconds))
