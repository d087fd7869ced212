"""`syncd kb`: the generations of knowledge bases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, ago, moment, number, shown_error

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.config.settings import Settings
    from syncd.model.run import RunOptions
    from syncd.parts import Parts
    from syncd.rebuild import Rebuild, Standing
    from syncd.state import State

app = typer.Typer(
    name="kb",
    no_args_is_help=True,
    help="Look at knowledge bases, and fill them anew.",
    epilog=example("syncd kb list", "syncd kb rebuild orders_kb"),
)

Name = Annotated[str, typer.Argument(metavar="KB", help="The knowledge base.")]


@app.command("list", epilog=example("syncd kb list", "syncd kb list --json"))
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the knowledge bases and their generations.

    A generation that is filling says what it waits for. Works beside a daemon too.
    """
    from syncd.errors import SyncdError

    terminal = Terminal()
    found: list[dict[str, Any]] = []
    with _office(config, only_look=True) as office:
        for name in sorted(office.parts.names()):
            try:
                found.append({"name": name, "generations": office.look(name), "error": None})
            except SyncdError as error:
                found.append({"name": name, "generations": [], "error": shown_error(str(error))})
    if json:
        terminal.data(found)
    else:
        _say(terminal, found)


@app.command(epilog=example("syncd kb rebuild orders_kb", "syncd kb rebuild orders_kb --from-existing"))
def rebuild(
    knowledge_base: Name,
    from_existing: Annotated[
        bool, typer.Option("--from-existing", help="Keep vectors where text, model and chunking are the same.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Fill a new generation beside the old one, which is searched until the new one is complete.

    Beside a daemon its runs fill it; else they run here. Ctrl-C stops at the next batch; the same command goes on from
    there.

    Exits with 1 when a run failed or left rows in the dead letters.
    """
    from syncd.cli.logs import log_to_stderr
    from syncd.cli.sync import run_all

    log_to_stderr()
    terminal = Terminal()
    with _office(config) as office:
        begun = office.begin(knowledge_base, from_existing)
    doing = "is being filled" if begun.new else "was being filled already"
    terminal.say(f"{knowledge_base}: a new generation {doing} by {begun.embedding}")
    terminal.note("  searches find the old one until it is complete")
    for job in begun.left_out:
        terminal.note(f"  {job} has ended: its documents will not be in the new generation")
    if begun.runs:
        terminal.note(f"  the daemon fills it with {', '.join(begun.runs)}; `syncd kb list` shows how it stands")
        return
    _, code = run_all(terminal, office.settings, begun.here, quiet=False)
    with _office(config) as office:
        standings = office.look(knowledge_base)
    for one in standings:
        if one["id"] == begun.generation and one["state"] == "serving":
            terminal.say(f"{knowledge_base}: the new generation is complete, and is searched from now on", "green")
    _say_what_waits(terminal, standings)
    raise typer.Exit(code)


@app.command(epilog=example("syncd kb drop-generation orders_kb 5f0c2d0e-8c2b-4a3e-9d63-3d1f6a8f5a11"))
def drop_generation(
    knowledge_base: Name,
    generation: Annotated[str, typer.Argument(metavar="GENERATION", help="Its id, as `syncd kb list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Remove a generation with all that it holds.

    The one that serves stays. Without the one that is filling, the rebuild is given up.
    """
    with _office(config) as office:
        office.drop(knowledge_base, generation)
    Terminal().note(f"{knowledge_base}: the generation {generation} is gone")


@dataclass(frozen=True, slots=True)
class _Begun:
    """A rebuild that goes on.

    Args:
        runs: the daemon's runs that fill it.
        here: where there is no daemon, the jobs that are to be run here.
    """

    generation: str
    embedding: str
    new: bool
    left_out: tuple[str, ...]
    runs: tuple[str, ...] = ()
    here: Mapping[str, RunOptions] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Office:
    """Where knowledge bases are changed: in the daemon that owns one, or here."""

    settings: Settings
    state: State
    parts: Parts
    service: Rebuild

    def look(self, name: str) -> list[dict[str, Any]]:
        """Return the generations of a knowledge base; none where it has not been made yet."""
        from syncd.cli.beside import asking
        from syncd.cli.ownership import owning_daemon
        from syncd.model.access import Scope

        if not self.parts.is_stored(name, self.parts.knowledge_bases()[name].store):
            return []
        daemon = owning_daemon(self.parts, name)
        if daemon is None:
            return [_as_data(one) for one in self.service.look(name)]
        with asking(daemon["url"], Scope.KB_READ) as client:
            return [dict(one) for one in client.knowledge_bases.get(name)["generations"] or ()]

    def begin(self, name: str, from_existing: bool) -> _Begun:
        """Begin a rebuild, or go on with it."""
        from syncd.cli.beside import asking
        from syncd.cli.ownership import owning_daemon
        from syncd.jobs import JobService
        from syncd.model.access import Scope
        from syncd.rebuild import options_for

        daemon = owning_daemon(self.parts, name)
        if daemon is not None:
            with asking(daemon["url"], Scope.KB_WRITE) as client:
                told = client.knowledge_bases.rebuild(name, from_existing=from_existing)
            made = told["generation"]
            return _Begun(made["id"], made["embedding"], told["new"], tuple(told["left_out"]), tuple(told["runs"]))
        JobService(self.state, _now).reconcile(self.settings.jobs, self.settings.places)
        begun = self.service.begin(name, recalls=from_existing)
        return _Begun(
            begun.standing.generation.uuid,
            begun.standing.generation.embedding,
            begun.new,
            tuple(job.name for job in begun.left_out),
            here={job.name: options_for(job) for job in begun.jobs},
        )

    def drop(self, name: str, generation: str) -> None:
        """Remove a generation."""
        from syncd.cli.beside import asking
        from syncd.cli.ownership import owning_daemon
        from syncd.model.access import Scope

        daemon = owning_daemon(self.parts, name)
        if daemon is None:
            self.service.drop(name, generation)
            return
        with asking(daemon["url"], Scope.KB_WRITE) as client:
            client.knowledge_bases.drop_generation(name, generation)


@contextmanager
def _office(config: Path | None, *, only_look: bool = False) -> Iterator[_Office]:
    from syncd.cli.configuration import existing_state, load_settings, parts_of
    from syncd.errors import NotFound
    from syncd.plugins import Plugins
    from syncd.rebuild import Rebuild
    from syncd.state import State

    plugins = Plugins()
    settings = load_settings(config, plugins)
    with ExitStack() as stack:
        state = existing_state(settings) if only_look else State.open(settings.state.get_secret_value())
        if state is None:
            raise NotFound("no knowledge base has been filled yet", "`syncd sync` runs a job now")
        stack.callback(state.close)
        parts = parts_of(settings, plugins, "syncd kb", state)
        stack.callback(parts.close)
        yield _Office(settings, state, parts, Rebuild(state, parts, _now))


def _as_data(standing: Standing) -> dict[str, Any]:
    known = standing.generation
    return {
        "id": known.uuid,
        "state": str(known.state),
        "embedding": known.embedding,
        "chunks": standing.chunks,
        "created_at": moment(known.created_at),
        "waits_for": dict(standing.waits_for),
    }


def _say(terminal: Terminal, found: list[dict[str, Any]]) -> None:
    now = _now()
    rows = [
        (
            base["name"],
            one["id"],
            one["state"],
            one["embedding"],
            number(one["chunks"]),
            ago(datetime.fromisoformat(one["created_at"]) if one["created_at"] else None, now),
        )
        for base in found
        for one in base["generations"]
        or [{"id": "-", "state": "-", "embedding": "-", "chunks": None, "created_at": None}]
    ]
    terminal.table(("KB", "GENERATION", "STATE", "EMBEDDING", "CHUNKS", "MADE"), rows, right=("CHUNKS",))
    for base in found:
        if base["error"] is not None:
            terminal.note(f"{base['name']}: {base['error']}", "red")
        _say_what_waits(terminal, base["generations"])


def _say_what_waits(terminal: Terminal, generations: list[dict[str, Any]]) -> None:
    for one in generations:
        for job, reason in one["waits_for"].items():
            terminal.note(f"  the new generation waits for {job}, which {reason}", "yellow")


def _now() -> datetime:
    return datetime.now(UTC)
