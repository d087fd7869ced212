"""`syncd search`: finds by meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from syncd.parts import Parts

app = typer.Typer()

Found = list[dict[str, Any]]
_INTEGER = re.compile(r"[-+]?\d+")
_DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@app.command(
    epilog=example(
        'syncd search orders_kb "waterproof shoes"',
        'syncd search orders_kb "waterproof shoes" -k 10 --where category=outdoor --where in_stock=true --json',
        """syncd search orders_kb "gift" --where 'code="007"'    # quoted: text, not a number""",
    )
)
def search(
    knowledge_base: Annotated[str, typer.Argument(metavar="KB", help="The knowledge base.")],
    text: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many answers at most.")] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COLUMN=VALUE", help="Only what has this value; may be repeated."),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Find what is nearest in meaning.

    Works beside a daemon too: what it owns, it searches.
    """
    from contextlib import ExitStack

    from syncd.cli.configuration import existing_state, load_settings, parts_of
    from syncd.config.wording import quoted, suggestion
    from syncd.errors import NotFound
    from syncd.plugins import Plugins

    conditions = dict(condition(item) for item in where or ())
    plugins = Plugins()
    settings = load_settings(config, plugins)
    terminal = Terminal()
    with ExitStack() as stack, terminal.waiting("searching"):
        # What the configuration knows can be searched without the state.
        state = None if knowledge_base in settings.knowledge_bases else existing_state(settings)
        if state is not None:
            stack.callback(state.close)
        parts = parts_of(settings, plugins, "syncd search", state)
        stack.callback(parts.close)
        known = parts.knowledge_bases()
        if knowledge_base not in known:
            hint = parts.left_out().get(knowledge_base) or suggestion(knowledge_base, known)
            raise NotFound(f"there is no knowledge base {quoted(knowledge_base)} in the configuration", hint)
        there = parts.is_stored(knowledge_base, known[knowledge_base].store)
        found = find(parts, knowledge_base, text, k, conditions) if there else []
    if json:
        terminal.data(found)
    else:
        say(terminal, found)


def condition(text: str, option: str = "--where COLUMN=VALUE") -> tuple[str, Any]:
    """Read `column=value`: a number, true or false as such, anything else and whatever is in double quotes as text.

    Args:
        option: that it was given with, and its form.
    """
    column, equals, value = text.partition("=")
    if not (column and equals):
        name, _, form = option.partition(" ")
        raise typer.BadParameter(f"{text!r} is not {form}", param_hint=name)
    if len(value) > 1 and value[0] == value[-1] == '"':
        return column, value[1:-1]
    if value in {"true", "false"}:
        return column, value == "true"
    if _INTEGER.fullmatch(value):
        return column, int(value)
    return column, float(value) if _DECIMAL.fullmatch(value) else value


def find(parts: Parts, name: str, text: str, k: int, where: dict[str, Any]) -> Found:
    """Search a knowledge base, through the daemon where one owns it.

    Raises:
        NotFound: there is no such knowledge base.
        InUse: a command owns it, and keeps it.
        SyncdError: the daemon does not answer, or refuses.
    """
    from syncd.cli.ownership import owning_daemon

    daemon = owning_daemon(parts, name)
    if daemon is not None:
        return _ask(daemon["url"], name, text, k, where)
    matches = parts.search(name, text, k, where)
    return [{"id": m.id, "score": m.score, "text": m.text, "metadata": dict(m.metadata)} for m in matches]


def _ask(url: str, name: str, text: str, k: int, where: dict[str, Any]) -> Found:
    from syncd.cli.beside import asking
    from syncd.client import NotFound as Unknown
    from syncd.errors import NotFound
    from syncd.model.access import Scope

    try:
        with asking(url, Scope.KB_READ) as client:
            return [dict(match) for match in client.knowledge_bases.search(name, text, k, where)]
    except Unknown as error:
        raise NotFound(
            f"the daemon at {url} has no knowledge base {name!r}", "restart it with this configuration"
        ) from error


def say(terminal: Terminal, found: Sequence[dict[str, Any]], lines: int = 4) -> None:
    """Write answers for people: the best first, its text cut to a few lines."""
    from rich.text import Text

    if not found:
        terminal.note(
            "nothing was found: is the knowledge base filled (`syncd status`), and do the --where values fit?"
        )
    for match in found:
        head = Text(f"{match['score']:.3f}  ", "bold green") + Text(str(match["id"]), "bold")
        terminal.out.print(head, soft_wrap=True)
        metadata = "  ".join(f"{name}={value}" for name, value in sorted(match["metadata"].items()))
        if metadata:
            terminal.say(f"       {metadata}", "dim")
        shown = [line for line in match["text"].splitlines() if line.strip()]
        for line in shown[:lines]:
            terminal.say(f"       {line[:160]}")
        if len(shown) > lines:
            terminal.say(f"       ... {len(shown) - lines} more lines", "dim")
