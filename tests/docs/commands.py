"""The real command line, to hold command lines of the documentation against."""

from __future__ import annotations

import shlex

import typer

from syncd.cli.app import app


def known() -> list[str]:
    """Return every command as it is typed, groups that do nothing by themselves left out."""
    found = []
    for name, command in _group(app).commands.items():
        if not getattr(command, "commands", None) or getattr(command, "invoke_without_command", False):
            found.append(f"syncd {name}")
        found += [f"syncd {name} {inner}" for inner in getattr(command, "commands", {})]
    return found


def parse(line: str) -> None:
    """Read a command line as syncd would, and do nothing.

    Raises:
        Exception: there is no such command or option, or a value does not fit.
    """
    words = shlex.split(line.partition(" > ")[0])
    assert words[0] == "syncd"
    group = _group(app)
    context = group.make_context("syncd", words[1:])
    while left := [*context._protected_args, *context.args]:
        name, command, rest = group.resolve_command(context, left)
        assert name is not None
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, typer.core.TyperGroup):
            return
        group = command
    assert group.invoke_without_command


def _group(app: typer.Typer) -> typer.core.TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group
