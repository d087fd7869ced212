"""How a command asks the daemon that runs beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from syncd.client import Client, Unauthorized
from syncd.errors import PermanentError
from syncd.model.access import Scope

TOKEN_VARIABLE = "SYNCD_TOKEN"  # noqa: S105 - the name of a variable
SECONDS = 120.0


@contextmanager
def asking(url: str, *scopes: Scope) -> Iterator[Client]:
    """Lend a client of a daemon, which sends the token in SYNCD_TOKEN.

    Args:
        url: where the daemon answers.
        scopes: what a token needs for this, to tell how to make one.

    Raises:
        PermanentError: the daemon wants a token, and there is none, or no good one.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    try:
        client = Client(url, token, SECONDS)
    except ValueError as error:
        raise PermanentError(f"{TOKEN_VARIABLE}: {error}", _remedy(scopes)) from error
    with client:
        try:
            yield client
        except Unauthorized as error:
            if token is None:
                raise PermanentError(f"the daemon at {url} asks for a token", _remedy(scopes)) from error
            raise PermanentError(
                f"the daemon at {url} does not accept the token in {TOKEN_VARIABLE}",
                f"it may have expired or been revoked, as `syncd tokens list` shows; {_remedy(scopes)}",
            ) from error


def _remedy(scopes: Sequence[Scope]) -> str:
    options = " ".join(f"--scope {scope}" for scope in scopes)
    return f"put one into {TOKEN_VARIABLE}; `syncd tokens create NAME {options}` prints one"
