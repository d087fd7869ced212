"""`syncd torture`: tries to break syncd on this machine."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import JsonOption, example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from syncd.torture.report import Report

app = typer.Typer()


@app.command(
    epilog=example(
        "syncd torture",
        "syncd torture --kills 1000 --json > torture.json",
        "syncd torture --seed 7 --database postgresql://me@localhost/scratch",
        "syncd torture --naive    # the loop that most people write first",
    )
)
def torture(
    kills: Annotated[int, typer.Option("--kills", min=1, help="Stop after this many kills.")] = 100,
    seed: Annotated[int | None, typer.Option("--seed", help="Make the same choices again.", show_default=False)] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Stop after this many seconds at the latest.")
    ] = 3600,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="An empty database to use. Default: a SQLite file."),
    ] = None,
    naive: Annotated[
        bool, typer.Option("--naive", help="Torment a loop that reads `WHERE f > largest` instead, to compare.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Try to break syncd on this machine.

    Changes a table at random, kills runs at every step, and compares what is left with a rebuild from nothing.

    All that it makes is in a temporary folder. A database that holds anything is refused.

    Exits with 1 when anything is lost, stale, doubled, orphaned or not found.
    """
    from syncd.cli.failure import RUN_FAILED
    from syncd.torture.torture import torture as torment

    terminal = Terminal()
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    terminal.note(f"seed {chosen}")
    report, folder = torment(kills, chosen, seconds, database, naive=naive, told=terminal.note)
    if json:
        terminal.data(report.as_data())
    else:
        say(terminal, report)
    if folder is not None:
        left = f"all of it is still in {folder}" + ("" if database is None else ", and the table in the database")
        terminal.complain(f"syncd did not survive; {left}", f"--seed {chosen} makes the same choices again")
    if not report.survived:
        raise typer.Exit(RUN_FAILED)


def say(terminal: Terminal, report: Report) -> None:
    """Write what happened, and what is wrong."""
    kills = ", ".join(f"{step} {count}" for step, count in sorted(report.kills.items()))
    changes = ", ".join(f"{what} {count}" for what, count in sorted(report.changes.items()))
    healed = f"{report.healed}, which may have held {report.lost_to_damage:,} texts" if report.healed else "0"
    texts = f"{report.embedded:,} embedded for {report.changed:,} that changed, {report.in_flight:,} cut off by kills"
    if report.subject != "syncd":
        texts = healed = "not counted"
    rows = [
        ("kills", f"{report.killed:,}", kills),
        (
            "runs",
            f"{report.runs:,}",
            f"{report.completed:,} completed, {report.stops} stopped in order, {report.guarded} approved",
        ),
        ("changes", f"{report.changes.total():,}", changes),
        ("late commits", f"{report.late:,}", ""),
        ("reconfigurations", f"{report.reconfigurations:,}", ""),
        ("looks between sweeps", f"{report.inspections:,}", "what a pass can see was there after one run"),
        ("damaged stores", healed, ""),
        ("texts", f"{report.changed:,}", texts),
        ("in the end", f"{report.documents:,}", f"documents of {report.chunks:,} chunks"),
    ]
    terminal.say(f"{report.subject} on {report.database}, seed {report.seed}, {report.seconds:.0f} s", "bold")
    terminal.table(("survived", "number", "of which"), rows, right=("number",))
    terminal.say("")
    wrong = [(name, f"{count:,}") for name, count in report.wrong.items()]
    terminal.table(("wrong", "number"), wrong, right=("number",))
    for name, found in report.as_data()["examples"].items():
        if found:
            terminal.say(f"  {name}: {', '.join(found)}", "red")
