"""`syncd backup` and `syncd restore`: a copy of the state, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, number

if TYPE_CHECKING:
    from syncd.state.backup import Copied

app = typer.Typer()


@app.command(epilog=example("syncd backup /backups/syncd.db", "syncd backup /backups/nightly.db --force"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy shall be.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file, once the new copy is whole.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the state into one file.

    The daemon and other commands go on meanwhile. The copy is of one moment, and is checked before it gets its name.

    Knowledge bases are not in it. A state in PostgreSQL is backed up by pg_dump.
    """
    from syncd.state.backup import back_up

    made = back_up(_state(config), file, overwrite=force)
    terminal = Terminal()
    if json:
        terminal.data(_as_data(made))
        return
    terminal.say(f"{made.file}: {_counts(made)}", "green")


@app.command(epilog=example("syncd restore /backups/syncd.db"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `syncd backup` has made.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup in the state's place.

    Stop the daemon first. What is there now, damaged or not, is moved aside and kept. Nothing is embedded again for it.
    """
    from syncd.state.backup import restore as put_back

    done = put_back(_state(config), file, datetime.now(UTC))
    terminal = Terminal()
    if json:
        terminal.data({**_as_data(done), "aside": None if done.aside is None else str(done.aside)})
        return
    terminal.say(f"{done.file}: restored from {file}, {_counts(done)}", "green")
    if done.aside is not None:
        terminal.note(f"what was there before is now {done.aside}; remove it when you need it no more")
    terminal.note("tokens are as they were then: `syncd tokens list` shows which are valid, revoke what should not be")


def _state(config: Path | None) -> str:
    from syncd.cli.configuration import load_settings
    from syncd.plugins import Plugins

    return load_settings(config, Plugins()).state.get_secret_value()


def _counts(copied: Copied) -> str:
    jobs = f"{number(copied.jobs)} job{'' if copied.jobs == 1 else 's'}"
    return f"{number(copied.size)} bytes, {jobs}, in {copied.seconds:.1f} s"


def _as_data(copied: Copied) -> dict[str, Any]:
    return {
        "file": str(copied.file),
        "bytes": copied.size,
        "jobs": copied.jobs,
        "seconds": round(copied.seconds, 3),
    }
