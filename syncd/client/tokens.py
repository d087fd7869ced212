"""Tokens: who may ask, and for what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, TypedDict

from syncd.client.connection import Connection, part
from syncd.client.values import Time, given

Scope = Literal["jobs:read", "jobs:write", "jobs:trigger", "runs:read", "runs:write", "kb:read", "kb:write", "admin"]


class Token(TypedDict):
    """A token, without its secret."""

    id: str
    name: str
    status: str
    scopes: list[str]
    jobs: list[str] | None
    databases: list[str] | None
    knowledge_bases: list[str] | None
    created_at: str
    created_by: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class IssuedToken(Token):
    """A token that was just made; `token` is its secret, told this once."""

    token: str


class Tokens:
    """The tokens of a daemon. Every call raises as `Connection.ask` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, status: Literal["active", "expired", "revoked"] | None = None) -> Iterator[Token]:
        """Yield the tokens that have no more rights than this one, oldest first, those that are revoked too."""
        yield from self._connection.pages("/v1/tokens", {"status": status})

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        *,
        jobs: Collection[str] | None = None,
        databases: Collection[str] | None = None,
        knowledge_bases: Collection[str] | None = None,
        expires_at: Time | None = None,
    ) -> IssuedToken:
        """Make a token, with no more rights than this one has; its secret is told this once.

        Args:
            name: what people call it.
            scopes: what it may do.
            jobs, databases, knowledge_bases: the names that it is limited to; None for all.
            expires_at: when it ends; None for never.
        """
        limits = given(jobs=jobs, databases=databases, knowledge_bases=knowledge_bases)
        body = {
            "name": name,
            "scopes": sorted(scopes),
            **{kind: sorted(names) for kind, names in limits.items()},
            **given(expires_at=expires_at),
        }
        made: IssuedToken = self._connection.post("/v1/tokens", body)
        return made

    def revoke(self, token: str) -> None:
        """Make a token worthless, by its id (`tok_3`) or its name."""
        self._connection.ask("DELETE", f"/v1/tokens/{part(token)}")
