"""`syncd demo`: from an empty folder to answers, and what a change costs after that."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from syncd.cli.execution import Execution
    from syncd.config.settings import Settings
    from syncd.model.run import Run
    from syncd.parts import Parts

app = typer.Typer()

DATABASE = Path("data/demo.db")
CONFIG = Path("data/demo.yaml")
JOB = "sync_python_docs"
KNOWLEDGE_BASE = "python_docs"
QUESTIONS = (
    "open a zip archive and list what is in it",
    "run a function later in another thread",
    "parse command line arguments",
    "how similar are two texts",
)
CHANGED = ("zipfile.ZipFile.namelist", "threading.Timer", "argparse.ArgumentParser")


@app.command(epilog=example("syncd demo", "syncd demo --directory /tmp/syncd-demo"))
def demo(
    directory: Annotated[
        Path, typer.Option("--directory", help="Where the folder data/ with all that the demo makes is put.")
    ] = Path(),
) -> None:
    """Show it all on a table of real text.

    Syncs the table, finds things in it by meaning, syncs again, changes three rows, and syncs once more.

    The text is the documentation of Python's standard library, read from this machine. Needs no network.
    """
    terminal = Terminal()
    begun = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    _build_table(terminal)
    settings = _settings()
    failed = _show(terminal, settings)
    if failed is not None:
        raise typer.Exit(failed)
    _say_what_next(terminal, directory, time.monotonic() - begun)


def _build_table(terminal: Terminal) -> None:
    from syncd.demo.python_docs import read
    from syncd.demo.table import build

    _headline(terminal, "1. A table of real text")
    with terminal.waiting("reading Python's own documentation"):
        built = build(DATABASE, read(), datetime.now(UTC))
    was = "" if built.changed == built.rows else f"; it was here before, and {built.changed:,} rows differed"
    terminal.say(f"{DATABASE}: python_docs, {built.rows:,} rows (a module, class or function each){was}")


def _settings() -> Settings:
    from importlib.resources import files

    from syncd.cli.configuration import load_settings
    from syncd.plugins import Plugins

    CONFIG.write_text((files("syncd.demo") / "syncd.yaml").read_text())
    return load_settings(CONFIG, Plugins())


def _show(terminal: Terminal, settings: Settings) -> int | None:
    """Run the syncs and searches; return what to exit with when a run did not end well."""
    from contextlib import ExitStack

    from syncd.attempt import Stop
    from syncd.cli.execution import Execution, asked_to_stop
    from syncd.cli.interrupt import on_interrupt
    from syncd.cli.logs import log_to_stderr
    from syncd.cli.ownership import holder
    from syncd.demo.table import change
    from syncd.parts import Parts
    from syncd.plugins import Plugins
    from syncd.state import State

    log_to_stderr()
    stop = Stop()
    with ExitStack() as stack:
        state = State.open(settings.state.get_secret_value())
        stack.callback(state.close)
        parts = Parts(settings, Plugins(), holder("syncd demo"))
        stack.callback(parts.close)
        stack.enter_context(on_interrupt(lambda: stop.ask(asked_to_stop())))
        execution = Execution(settings, state, parts, stop)
        _headline(terminal, "2. The first sync: every row becomes a searchable vector")
        if not _sync(terminal, execution):
            return 1
        _headline(terminal, "3. Find by meaning")
        for question in QUESTIONS:
            _ask(terminal, parts, question)
        _headline(terminal, "4. The second sync: nothing changed")
        if not _sync(terminal, execution):
            return 1
        rows = change(DATABASE, CHANGED, datetime.now(UTC))
        _headline(terminal, f"5. Change {rows} rows, delete none, sync again")
        terminal.say(f"with a new sentence and a new updated_at: {', '.join(CHANGED)}", "dim")
        return None if _sync(terminal, execution) else 1


def _sync(terminal: Terminal, execution: Execution) -> bool:
    from syncd.cli.execution import succeeded
    from syncd.cli.progress import shown
    from syncd.cli.sync import say
    from syncd.model.run import RunOptions

    execution.prepare([JOB])
    with shown(terminal.err, JOB) as progress:
        run: Run = execution.run(JOB, RunOptions(), progress)
    say(terminal, run)
    return succeeded(run)


def _ask(terminal: Terminal, parts: Parts, question: str) -> None:
    from rich.text import Text

    from syncd.cli.search import find

    terminal.say(f"? {question}", "bold")
    for match in find(parts, KNOWLEDGE_BASE, question, 3, {}):
        head, _, docstring = match["text"].rpartition("docstring: ")
        # A long text is cut into chunks, and only the first one begins with the name.
        name = head.partition("\n")[0].removeprefix("name: ") or f"{match['metadata']['module']} ..."
        first = docstring.strip().partition("\n")[0][:90]
        line = Text(f"  {match['score']:.2f}  ", "green") + Text(name, "cyan") + Text(f"  {first}")
        terminal.out.print(line, soft_wrap=True)


def _headline(terminal: Terminal, text: str) -> None:
    terminal.say("")
    terminal.say(text, "bold")


def _say_what_next(terminal: Terminal, directory: Path, seconds: float) -> None:
    program = "syncd"
    flag = "" if _is_found_without_flag() else f" --config {CONFIG}"
    _headline(terminal, f"Done in {seconds:.0f} s. What to try next")
    if directory != Path():
        terminal.say(f"  cd {directory}")
    for command, meaning in (
        (f'{program} search {KNOWLEDGE_BASE} "wait for several tasks" --where kind=function{flag}', ""),
        (f"{program} status{flag}", "how the job stands"),
        (f"{program} run{flag}", "keep it in step: change the table and watch"),
        (f"{program} init --database-url postgresql://... --table ...", "a table of your own"),
    ):
        terminal.say(f"  {command}" + (f"    # {meaning}" if meaning else ""))


def _is_found_without_flag() -> bool:
    """Tell whether commands in this folder use a configuration that has the demo's job in it."""
    from syncd.cli.configuration import load_settings
    from syncd.errors import ConfigError
    from syncd.plugins import Plugins

    try:
        return JOB in load_settings(None, Plugins()).jobs
    except ConfigError:
        return False
