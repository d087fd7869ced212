"""What many commands take in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration: a file, or a folder that holds syncd.yaml. "
        "Default: $SYNCD_CONFIG, ./config, ./syncd.yaml or /etc/syncd.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.", show_default=False)]

SweepOption = Annotated[
    bool, typer.Option("--sweep", help="Compare the whole table afterwards, and remove documents without a row.")
]


def outer(context: typer.Context, config: Path | None, json: bool) -> tuple[Path | None, bool]:
    """Return both options of a command in a group that takes them too: they may also stand before its name."""
    before_config, before_json = context.obj
    return config or before_config, json or before_json


def example(*lines: str) -> str:
    """Return an epilog that shows command lines as they would be typed."""
    # The mark keeps the lines from being joined and wrapped.
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])
