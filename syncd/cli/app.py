"""All commands together. Each loads what it needs when it is called, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from syncd import __version__
from syncd.cli import (
    backup,
    check,
    config,
    dead_letters,
    demo,
    init,
    job_changes,
    job_creation,
    job_runs,
    jobs,
    kb,
    plan,
    run,
    runs,
    search,
    status,
    sync,
    tokens,
    torture,
    verify,
    why,
)
from syncd.cli.options import example

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("syncd demo", "syncd init --database-url postgresql://reader@db/shop --table public.orders"),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def syncd(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep vector knowledge bases in step with SQL tables."""


for part in (job_creation, job_changes, job_runs):
    jobs.app.add_typer(part.app)
for group in (
    demo,
    init,
    check,
    plan,
    sync,
    verify,
    why,
    search,
    run,
    status,
    jobs,
    runs,
    dead_letters,
    kb,
    tokens,
    backup,
    config,
    torture,
):
    app.add_typer(group.app)
