"""`syncd tokens`: who may ask the API, and for what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example
from syncd.cli.terminal import Terminal, ago, moment
from syncd.model.access import Scope

if TYPE_CHECKING:
    from syncd.model.access import Token
    from syncd.state import State

app = typer.Typer(
    name="tokens",
    no_args_is_help=True,
    help="Say who may ask the API, and for what.\n\nThe commands work on the state, whether a daemon runs or not.",
    epilog=example("syncd tokens create dashboard --scope jobs:read --scope runs:read", "syncd tokens list"),
)

OPEN = "there are no tokens: on loopback the API answers whoever is on this machine"


@app.command(
    epilog=example(
        "syncd tokens create me --scope admin",
        'syncd tokens create shop --scope kb:read --knowledge-base orders_kb --expires "30 DAYS"',
    )
)
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    scope: Annotated[list[Scope], typer.Option("--scope", help="What it may do; may be repeated.")],
    job: Annotated[
        list[str] | None, typer.Option("--job", metavar="JOB", help="Limit it to this job; may be repeated.")
    ] = None,
    database: Annotated[
        list[str] | None, typer.Option("--database", metavar="NAME", help="Limit it to this database; may be repeated.")
    ] = None,
    knowledge_base: Annotated[
        list[str] | None,
        typer.Option("--knowledge-base", metavar="KB", help="Limit it to this knowledge base; may be repeated."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DURATION", help='When it ends, such as "30 DAYS".')
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a token.

    Its secret is printed this once, alone on stdout. From the first token on, every request to the API needs one.
    """
    from syncd.cli.configuration import load_settings
    from syncd.plugins import Plugins
    from syncd.state import State

    now = datetime.now(UTC)
    ends = None if expires is None else _end(expires, now)
    state = State.open(load_settings(config, Plugins()).state.get_secret_value())
    try:
        first = not state.tokens.exist()
        token, secret = state.tokens.create(
            name,
            scope,
            now,
            jobs=job or None,
            databases=database or None,
            knowledge_bases=knowledge_base or None,
            expires_at=ends,
        )
    finally:
        state.close()
    terminal = Terminal()
    terminal.note(f"{token.id} {token.name}: {', '.join(sorted(token.caller.scopes))}")
    terminal.note("this is the token; it is kept nowhere, so keep it safe. Send it as `Authorization: Bearer ...`")
    if first:
        terminal.note("from now on every request to the API needs a token")
    typer.echo(secret)


@app.command("list", epilog=example("syncd tokens list", "syncd tokens list --json"))
def list_(
    revoked: Annotated[
        bool, typer.Option("--revoked", help="Also those that are revoked.", show_default=False)
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the tokens, without their secrets."""
    from syncd.model.access import TokenStatus

    now = datetime.now(UTC)
    state = _existing(config)
    try:
        known = [] if state is None else state.tokens.list()
    finally:
        if state is not None:
            state.close()
    found = [token for token in known if revoked or token.status(now) is not TokenStatus.REVOKED]
    terminal = Terminal()
    if json:
        terminal.data([as_data(token, now) for token in found])
        return
    if not found:
        terminal.note(OPEN)
        return
    terminal.table(
        ("TOKEN", "NAME", "STATUS", "SCOPES", "LIMITED TO", "EXPIRES", "LAST USED"),
        [
            (
                token.id,
                token.name,
                str(token.status(now)),
                ", ".join(sorted(token.caller.scopes)) or "-",
                _limits(token) or "-",
                ago(token.caller.expires_at, now),
                ago(token.last_used_at, now),
            )
            for token in found
        ],
    )


@app.command(epilog=example("syncd tokens revoke dashboard", "syncd tokens revoke tok_3"))
def revoke(
    token: Annotated[str, typer.Argument(help="Its name or its id.")],
    config: ConfigOption = None,
) -> None:
    """Revoke a token.

    The next request that carries it is refused.
    """
    from syncd.errors import NotFound

    state = _existing(config)
    if state is None:
        raise NotFound("there are no tokens", "`syncd tokens create` makes one")
    try:
        found = state.tokens.get(token)
        state.tokens.revoke(found.number, datetime.now(UTC))
        last = not state.tokens.exist()
    finally:
        state.close()
    terminal = Terminal()
    terminal.note(f"{found.id} {found.name} is revoked")
    if last:
        terminal.note(OPEN)


def as_data(token: Token, now: datetime) -> dict[str, Any]:
    """Return what programs are told about a token."""
    caller = token.caller
    return {
        "id": token.id,
        "name": token.name,
        "status": str(token.status(now)),
        "scopes": sorted(caller.scopes),
        "jobs": None if caller.jobs is None else sorted(caller.jobs),
        "databases": None if caller.databases is None else sorted(caller.databases),
        "knowledge_bases": None if caller.knowledge_bases is None else sorted(caller.knowledge_bases),
        "created_at": moment(token.created_at),
        "created_by": token.created_by,
        "expires_at": moment(caller.expires_at),
        "revoked_at": moment(token.revoked_at),
        "last_used_at": moment(token.last_used_at),
    }


def _existing(config: Path | None) -> State | None:
    from syncd.cli.configuration import existing_state, load_settings
    from syncd.plugins import Plugins

    return existing_state(load_settings(config, Plugins()))


def _end(expires: str, now: datetime) -> datetime:
    from syncd.model.schedule import parse_duration

    try:
        return now + parse_duration(expires)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None


def _limits(token: Token) -> str:
    caller = token.caller
    kinds = (("job", caller.jobs), ("database", caller.databases), ("knowledge base", caller.knowledge_bases))
    return "; ".join(f"{kind} {', '.join(sorted(names)) or 'none'}" for kind, names in kinds if names is not None)
