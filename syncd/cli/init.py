"""`syncd init`: a configuration to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import example
from syncd.cli.terminal import Terminal

if TYPE_CHECKING:
    from syncd.source.suggestion import Suggestion

app = typer.Typer()


@app.command(
    epilog=example(
        "syncd init",
        "syncd init --database-url postgresql://reader@db/shop --table public.orders",
        "syncd init --database-url sqlite:///shop.db --table orders --filter-column updated_at --content description",
    )
)
def init(
    directory: Annotated[Path, typer.Option("--directory", help="Where config/syncd.yaml is written.")] = Path(),
    database_url: Annotated[
        str | None, typer.Option("--database-url", metavar="URL", help="Your database: a SQLAlchemy URL.")
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="[SCHEMA.]TABLE", help="The table or view to sync.")
    ] = None,
    filter_column: Annotated[
        str | None,
        typer.Option("--filter-column", metavar="COLUMN", help="The column that grows when a row is added or changed."),
    ] = None,
    content: Annotated[
        list[str] | None, typer.Option("--content", metavar="COLUMN", help="A column to embed; may be repeated.")
    ] = None,
) -> None:
    """Write a configuration for a table of your own.

    It is config/syncd.yaml, with comments; nothing is overwritten.

    Where the database answers, columns that are not named are suggested from it.
    """
    import json

    from syncd.cli.starting_config import Draft, render
    from syncd.config.load import FILE
    from syncd.config.schema import json_schema
    from syncd.errors import Conflict
    from syncd.plugins import Plugins

    terminal = Terminal()
    file = directory / "config" / FILE
    if file.exists():
        raise Conflict(f"{file} exists already", "edit it, or name another --directory")
    seen = _look(terminal, database_url, table)
    draft = Draft.of(database_url, table, filter_column, content or (), seen)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(draft))
    schema = json.dumps(json_schema(Plugins().parts()), indent=2)
    file.with_name("syncd.schema.json").write_text(schema + "\n")
    terminal.say(f"wrote {file}", "green")
    if draft.password_left_out:
        terminal.say("The password is not in the file: export DATABASE_PASSWORD, as it stood in the URL", "yellow")
    for line in draft.remarks:
        terminal.say(f"  {line}", "dim")
    prefix = "" if directory == Path() else f"cd {directory} && "
    terminal.say("Next:")
    terminal.say(f"  {prefix}syncd check    # does it fit together?")
    terminal.say(f"  {prefix}syncd sync --all")
    terminal.say(f"  {prefix}syncd run      # keep it in step from now on")


def _look(terminal: Terminal, url: str | None, table: str | None) -> Suggestion | None:
    from syncd.errors import TransientError
    from syncd.source.suggestion import suggest

    if url is None or "${" in url:
        return None
    try:
        with terminal.waiting("looking at the database"):
            return suggest(url, table)
    except TransientError as error:
        terminal.note(f"{error}: the columns are left for you to fill in", style="yellow")
        return None
