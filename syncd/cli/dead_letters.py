"""`syncd dead-letters`: the rows that could not be synced."""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, ago, moment, number, shown_error

if TYPE_CHECKING:
    from syncd.config.settings import Settings
    from syncd.model.job import Job
    from syncd.model.run import DeadLetter
    from syncd.state import State

app = typer.Typer(
    name="dead-letters",
    no_args_is_help=True,
    help="Look after the rows that could not be synced.\n\nThey are named by their keys, as `list` shows them; the "
    "quotes around a text may be left out.",
    epilog=example("syncd dead-letters list sync_orders", "syncd dead-letters replay sync_orders --all"),
)

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job.")]
KeysArgument = Annotated[list[str] | None, typer.Argument(metavar="KEY", help="The keys of some of them.")]


@app.command(
    "list", epilog=example("syncd dead-letters list sync_orders", "syncd dead-letters list sync_orders --limit 5")
)
def list_(
    name: JobArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most, in the order of their keys.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the rows of a job that could not be synced, each with the reason."""
    with _opened(config, name) as place:
        found = place.state.dead_letters.list(place.job.id, limit)
        count = place.state.dead_letters.count(place.job.id)
    terminal = Terminal()
    if json:
        terminal.data([as_data(letter) for letter in found])
        return
    if not found:
        terminal.note(f"{name} has no dead letters")
        return
    now = datetime.now(UTC)
    terminal.table(
        ("KEY", "ATTEMPTS", "LAST TRIED", "REASON"),
        [
            (letter.key, number(letter.attempts), ago(letter.last_seen, now), shown_error(letter.reason) or "-")
            for letter in found
        ],
        right=("ATTEMPTS",),
    )
    if count > len(found):
        terminal.note(f"{count - len(found):,} more: --limit {count} shows all")


@app.command(epilog=example("syncd dead-letters show sync_orders 42", "syncd dead-letters show sync_orders ann"))
def show(
    name: JobArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its key.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one row that could not be synced."""
    with _opened(config, name) as place:
        [letter] = place.letters([key])
    terminal = Terminal()
    if json:
        terminal.data(as_data(letter))
        return
    for field, value in as_data(letter).items():
        terminal.say(f"{field:<11} {value}")


@app.command(
    epilog=example("syncd dead-letters replay sync_orders 42 43", "syncd dead-letters replay sync_orders --all")
)
def replay(
    name: JobArgument,
    keys: KeysArgument = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Read these rows once more, now, wherever the watermark is.

    Use it when the rows are mended and their filter column has not moved, or when something else was at fault. Works
    beside a daemon too: what it owns, it runs.

    Exits with 1 when one of them still cannot be synced.
    """
    from syncd.cli.failure import RUN_FAILED
    from syncd.cli.logs import log_to_stderr
    from syncd.cli.sync import as_data as run_data
    from syncd.cli.sync import run_all
    from syncd.model.run import RunOptions

    _require_choice(keys, every)
    log_to_stderr()
    terminal = Terminal()
    with _opened(config, name) as place:
        wanted = None if every else [letter.key for letter in place.letters(keys or ())]
        if place.left(wanted) == 0:
            terminal.note(f"{name} has no dead letters")
            return
        runs, code = run_all(
            terminal, place.settings, {name: RunOptions(replay=True, keys=tuple(wanted or ()))}, quiet=json
        )
        left = place.left(wanted)
    if json and runs:
        terminal.data({**run_data(runs[0]), "left": left})
    elif left:
        terminal.note(f"{left:,} of them are still dead letters: `syncd dead-letters list {name}` tells why", "yellow")
    raise typer.Exit(code or (RUN_FAILED if left else 0))


@app.command(
    epilog=example("syncd dead-letters discard sync_orders 42", "syncd dead-letters discard sync_orders --all --yes")
)
def discard(
    name: JobArgument,
    keys: KeysArgument = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Forget these dead letters; the rows and their documents stay as they are.

    A row that still cannot be synced comes back when a run reads it next.
    """
    import sys

    _require_choice(keys, every)
    terminal = Terminal()
    with _opened(config, name) as place:
        wanted = None if every else [letter.key for letter in place.letters(keys or ())]
        if sys.stdin.isatty() and not yes:
            typer.confirm(f"Discard {place.left(wanted):,} dead letters of {name}?", abort=True, err=True)
        count = place.state.dead_letters.discard(place.job.id, wanted, None, datetime.now(UTC))
    terminal.note(f"{count:,} dead letters of {name} are discarded")


def as_data(letter: DeadLetter) -> dict[str, Any]:
    """Return what programs are told about a dead letter."""
    return {
        "key": letter.key,
        "reason": shown_error(letter.reason),
        "attempts": letter.attempts,
        "first_seen": moment(letter.first_seen),
        "last_seen": moment(letter.last_seen),
    }


@dataclass(frozen=True, slots=True)
class _Place:
    """A job with its dead letters."""

    settings: Settings
    state: State
    job: Job

    def letters(self, keys: Sequence[str]) -> list[DeadLetter]:
        """Return the dead letters that are meant. Raises NotFound."""
        from syncd.errors import NotFound

        known = {letter.key: letter for letter in self._among([*keys, *map(_quoted, keys)])}
        missing = [key for key in keys if key not in known and _quoted(key) not in known]
        if missing:
            raise NotFound(
                f"{self.job.name} has no dead letter {missing[0]}", f"`syncd dead-letters list {self.job.name}`"
            )
        return [known.get(key) or known[_quoted(key)] for key in dict.fromkeys(keys)]

    def left(self, keys: Sequence[str] | None) -> int:
        """Count the dead letters of these keys, or all."""
        return self.state.dead_letters.count(self.job.id) if keys is None else len(self._among(keys))

    def _among(self, keys: Sequence[str]) -> list[DeadLetter]:
        return self.state.dead_letters.among(self.job.id, keys)


def _quoted(key: str) -> str:
    """Write a text as a key of one column, whose quotes a shell takes away."""
    return json_.dumps(key, ensure_ascii=False)


def _require_choice(keys: Sequence[str] | None, every: bool) -> None:
    if bool(keys) == every:
        raise typer.BadParameter("name the keys, or give --all")


@contextmanager
def _opened(config: Path | None, name: str) -> Iterator[_Place]:
    """Lend a job that has run. Raises NotFound."""
    from syncd.cli.configuration import existing_state, load_settings
    from syncd.errors import NotFound
    from syncd.plugins import Plugins

    settings = load_settings(config, Plugins())
    state = existing_state(settings)
    if state is None:
        raise NotFound(f"there is no job {name!r}: nothing has run yet", "`syncd sync` runs a job now")
    try:
        yield _Place(settings, state, state.jobs.get(name))
    finally:
        state.close()
