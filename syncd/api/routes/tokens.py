"""Tokens: who may ask, and for what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from syncd.api.access import caller_with
from syncd.api.pages import Listed, Paging, TokenCursor, cursor, listed
from syncd.api.schemas import Moment, Shown, example
from syncd.api.services import Services
from syncd.errors import Forbidden
from syncd.model.access import Caller, Scope, Token, TokenStatus
from syncd.model.fields import Model, Name
from syncd.model.fields import Moment as JobMoment

Admin = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]
Names = Annotated[frozenset[Name], Field(max_length=1000, strict=False)]


class TokensQuery(Paging):
    """Which tokens to list."""

    status: TokenStatus | None = None
    """Only tokens of this status."""
    cursor: TokenCursor | None = None
    """The `next_cursor` of the page before."""


class TokenRequest(Model):
    """A token that is wanted."""

    model_config = example(name="reports", scopes=["runs:read"], expires_at="2036-01-01T00:00:00Z")

    name: Name
    """What people call it; unique among the tokens that are not revoked, and not of the form `tok_3`."""
    scopes: Annotated[frozenset[Annotated[Scope, Field(strict=False)]], Field(strict=False)]
    """What it may do; with none it may do nothing, and `admin` includes all the others."""
    jobs: Names | None = None
    """The jobs that it is limited to, by name; null for all."""
    databases: Names | None = None
    """The databases that it is limited to; null for all."""
    knowledge_bases: Names | None = None
    """The knowledge bases that it is limited to; null for all."""
    expires_at: JobMoment | None = None
    """When it ends; null for never."""

    def caller(self) -> Caller:
        """Return who will ask with the token."""
        return Caller(self.name, self.scopes, self.jobs, self.databases, self.knowledge_bases, self.expires_at)


class TokenView(Shown):
    """A token, without its secret."""

    id: str
    name: str
    status: TokenStatus
    scopes: list[Scope]
    jobs: list[str] | None
    databases: list[str] | None
    knowledge_bases: list[str] | None
    created_at: Moment
    created_by: str | None
    """The name of the token that made it; null for somebody on the machine itself."""
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None
    """To the minute."""

    @classmethod
    def of(cls, token: Token, now: datetime) -> TokenView:
        """Show a token."""
        caller = token.caller
        return cls(
            id=token.id,
            name=token.name,
            status=token.status(now),
            scopes=sorted(caller.scopes),
            jobs=_sorted(caller.jobs),
            databases=_sorted(caller.databases),
            knowledge_bases=_sorted(caller.knowledge_bases),
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=caller.expires_at,
            revoked_at=token.revoked_at,
            last_used_at=token.last_used_at,
        )


class IssuedToken(TokenView):
    """A token that was just made."""

    token: str
    """What its bearer sends. It is told this once and kept nowhere."""


def router(services: Services) -> APIRouter:
    """Return the routes of tokens."""
    routes = APIRouter(prefix="/v1/tokens", tags=["tokens"])
    tokens = services.state.tokens

    @routes.get("")
    def list_tokens(
        caller: Admin, query: Annotated[TokensQuery, Query()], request: Request, response: Response
    ) -> Listed[TokenView]:
        """List the tokens that have no more rights than the caller, oldest first, those that are revoked too."""
        now = services.clock()
        found = [token for token in tokens.list() if not caller.lacks(token.caller) and _wanted(token, query, now)]
        return listed(
            found,
            query.limit,
            mark=lambda token: cursor("tokens", token.number),
            show=lambda token: TokenView.of(token, now),
            request=request,
            answer=response,
        )

    @routes.post("", status_code=201)
    def create_token(caller: Admin, wanted: TokenRequest) -> IssuedToken:
        """Make a token, with no more rights than the caller has; its secret is in this answer and nowhere else."""
        now = services.clock()
        lacking = caller.lacks(wanted.caller()) + ([] if caller.outlives(wanted.caller()) else ["expires_at"])
        if lacking:
            raise Forbidden(
                f"the token cannot give what it does not have: {', '.join(lacking)}", "ask for no more than it has"
            )
        token, secret = tokens.create(
            wanted.name,
            wanted.scopes,
            now,
            jobs=wanted.jobs,
            databases=wanted.databases,
            knowledge_bases=wanted.knowledge_bases,
            expires_at=wanted.expires_at,
            created_by=caller.name,
        )
        return IssuedToken(token=secret, **TokenView.of(token, now).model_dump())

    @routes.delete("/{token_id}", status_code=204)
    def revoke_token(caller: Admin, token_id: str) -> None:
        """Revoke a token, by its id (`tok_3`) or its name; the next request with it is refused."""
        found = tokens.get(token_id)
        if caller.lacks(found.caller):
            raise Forbidden(f"the token {found.name} has rights that the caller lacks", "ask somebody who has them")
        tokens.revoke(found.number, services.clock(), caller.name)

    return routes


def _wanted(token: Token, query: TokensQuery, now: datetime) -> bool:
    return (query.cursor is None or token.number > query.cursor) and query.status in {None, token.status(now)}


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
