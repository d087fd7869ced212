"""`syncd why`: how one row stands."""

from __future__ import annotations

from typing import Annotated

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal

app = typer.Typer()


@app.command(
    epilog=example(
        "syncd why sync_orders 42",
        """syncd why sync_people '"ann",17' --json    # a key of two columns, as documents' ids end with it""",
    )
)
def why(
    name: Annotated[str, typer.Argument(metavar="JOB", help="The job.")],
    key: Annotated[str, typer.Argument(help="The row's key, as the database shows it.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell why a row is in the knowledge base, or is not, and what happens next.

    The answer is one of: synced, not read yet, behind the watermark, filter value is NULL, filtered out, quarantined,
    empty text, deleted at the source, not in the source.

    Works beside a daemon too.
    """
    from syncd.cli.inspecting import inspecting

    terminal = Terminal()
    with inspecting(config, name, "syncd why") as place, terminal.waiting("looking"):
        told = place.hands.why(key)
    if json:
        terminal.data({"job": name, **told})
        return
    terminal.say(f"{told['document_id']}: {told['answer']}", "green" if told["answer"] == "synced" else "yellow")
    value = "" if told["filter_value"] is None else f" (filter value {told['filter_value']})"
    terminal.say(f"  {told['detail']}{value}")
