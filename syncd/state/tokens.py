"""Tokens: who may ask the API, and for what. Their secrets are told once and kept nowhere."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.errors import Conflict, Fault, Invalid, NotFound
from syncd.model.access import Caller, Scope, Token, TokenStatus
from syncd.model.fields import NAME_PATTERN
from syncd.state.database import Database
from syncd.state.events import append
from syncd.state.schema import tokens

USE_INTERVAL = timedelta(minutes=1)

_SECRET = re.compile(r"syncd_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")
_ID = re.compile(r"tok_([1-9][0-9]{0,17})")
_RANDOM_BYTES = 32
_NOBODYS_DIGEST = "0" * 64
_UNREVOKED = sa.select(sa.exists().where(tokens.c.revoked_at.is_(None)))


class Tokens:
    """The tokens of a state; none is ever deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        now: datetime,
        *,
        jobs: Collection[str] | None = None,
        databases: Collection[str] | None = None,
        knowledge_bases: Collection[str] | None = None,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> tuple[Token, str]:
        """Make a token, and return it with its secret, which cannot be had again.

        Args:
            name: what people call it.
            scopes: what it may do; with none it may do nothing.
            now: the moment.
            jobs, databases, knowledge_bases: the names that it is limited to; None for all.
            expires_at: when it ends; None for never.
            created_by: the name of the token that asked for it.

        Raises:
            Invalid: the name is none, or looks like an id, or the end has passed.
            Conflict: a token of that name is there and not revoked.
        """
        faults = list(_faults(name, expires_at, now))
        if faults:
            raise Invalid(faults)
        secret = secrets.token_urlsafe(_RANDOM_BYTES)

        def work(connection: sa.Connection) -> Token:
            statement = self._database.upsert(tokens).values(
                name=name,
                digest=_digest(secret),
                scopes=sorted(scopes),
                jobs=_names(jobs),
                databases=_names(databases),
                knowledge_bases=_names(knowledge_bases),
                created_at=now,
                created_by=created_by,
                expires_at=expires_at,
            )
            row = connection.execute(statement.on_conflict_do_nothing().returning(tokens)).one_or_none()
            if row is None:
                raise Conflict(f"there is a token {name!r} already", "choose another name, or revoke that token first")
            token = _token(row)
            append(connection, None, "token_created", _told(token, created_by), now)
            return token

        token = self._database.write(work)
        return token, f"syncd_{token.number}_{secret}"

    def find(self, secret: str, now: datetime) -> Token | None:
        """Return the token of that secret if it is good now; None for every other text, whatever is wrong with it."""
        match = _SECRET.fullmatch(secret)
        if match is None:
            return None
        query = sa.select(tokens).where(tokens.c.number == int(match[1]))
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        # Compared for a number that nobody has, too: the time that it takes tells nothing.
        equal = hmac.compare_digest(_NOBODYS_DIGEST if row is None else row.digest, _digest(match[2]))
        if row is None or not equal:
            return None
        token = _token(row)
        return token if token.status(now) is TokenStatus.ACTIVE else None

    def used(self, token: Token, now: datetime) -> None:
        """Remember that the token was used, once a minute at most."""
        if token.last_used_at is None or token.last_used_at <= now - USE_INTERVAL:
            change = sa.update(tokens).where(tokens.c.number == token.number).values(last_used_at=now)
            self._database.write(lambda connection: connection.execute(change))

    def exist(self) -> bool:
        """Tell whether there is a token that is not revoked.

        One that has expired counts: time alone must not open a door that somebody has closed.
        """
        return bool(self._database.read(lambda connection: connection.scalar(_UNREVOKED)))

    def list(self) -> builtins.list[Token]:
        """Return all tokens, revoked ones too, oldest first."""
        query = sa.select(tokens).order_by(tokens.c.number)
        return self._database.read(lambda connection: [_token(row) for row in connection.execute(query)])

    def get(self, reference: str) -> Token:
        """Return the token of that id (`tok_3`), else the one of that name that is not revoked.

        Raises:
            NotFound: there is neither.
        """
        match = _ID.fullmatch(reference)
        if match is not None:
            query = sa.select(tokens).where(tokens.c.number == int(match[1]))
        else:
            query = sa.select(tokens).where(tokens.c.name == reference, tokens.c.revoked_at.is_(None))
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"there is no token {reference[:128]!r}", "`syncd tokens list` and GET /v1/tokens list them")
        return _token(row)

    def revoke(self, number: int, now: datetime, revoked_by: str | None = None) -> None:
        """Let the token be good for nothing from now on; nothing happens to one that is revoked already.

        Args:
            number: the token's.
            now: the moment.
            revoked_by: the name of the token that asked for it.
        """
        change = (
            sa.update(tokens)
            .where(tokens.c.number == number, tokens.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(tokens)
        )

        def work(connection: sa.Connection) -> None:
            row = connection.execute(change).one_or_none()
            if row is not None:
                append(connection, None, "token_revoked", _told(_token(row), revoked_by), now)

        self._database.write(work)


def _faults(name: str, expires_at: datetime | None, now: datetime) -> Iterator[Fault]:
    if re.fullmatch(NAME_PATTERN, name) is None:
        yield Fault("name", "must have letters, digits, _, - and ., and begin with a letter or a digit")
    if _ID.fullmatch(name):
        yield Fault("name", "must not look like the id of a token")
    if expires_at is not None and expires_at <= now:
        yield Fault("expires_at", "must be in the future")


def _digest(secret: str) -> str:
    # 256 random bits cannot be guessed from their hash, however fast it is: nothing slower is needed.
    return hashlib.sha256(secret.encode()).hexdigest()


def _names(names: Collection[str] | None) -> builtins.list[str] | None:
    return None if names is None else sorted(set(names))


def _told(token: Token, by: str | None) -> str:
    return f"{token.id} {token.name}" + ("" if by is None else f", by {by}")


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    return Token(
        number=row.number,
        name=row.name,
        caller=Caller(
            name=row.name,
            scopes=frozenset(scope for scope in Scope if scope in row.scopes),
            jobs=_limit(row.jobs),
            databases=_limit(row.databases),
            knowledge_bases=_limit(row.knowledge_bases),
            expires_at=row.expires_at,
        ),
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _limit(names: builtins.list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
