"""Nobody is taken to have a right that they were not given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syncd.model.access import ANYONE_HERE, Caller, Scope, Token, TokenStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADMIN = Caller("admin", frozenset({Scope.ADMIN}))


def caller(*scopes: Scope, **limits: frozenset[str]) -> Caller:
    """Return somebody with these rights."""
    return Caller("c", frozenset(scopes), **limits)  # type: ignore[arg-type]  # limits are names of fields


def test_no_scope_is_no_right_and_admin_is_every_right() -> None:
    for scope in Scope:
        assert not caller().may(scope)
        assert ADMIN.may(scope)
        assert ANYONE_HERE.may(scope)
        assert [other for other in Scope if caller(scope).may(other)] == (
            list(Scope) if scope is Scope.ADMIN else [scope]
        )


def test_an_empty_limit_reaches_nothing() -> None:
    for limits in ({"jobs": frozenset[str]()}, {"databases": frozenset[str]()}, {"knowledge_bases": frozenset[str]()}):
        assert not caller(Scope.ADMIN, **limits).reaches("job", "database", "kb")
        assert caller(**limits).limited
    assert not ADMIN.limited


@pytest.mark.parametrize("limit", ["jobs", "databases", "knowledge_bases"])
def test_a_limit_can_be_narrowed_and_not_widened(limit: str) -> None:
    wide, narrow = caller(Scope.ADMIN, **{limit: frozenset("ab")}), caller(Scope.ADMIN, **{limit: frozenset("a")})
    other = caller(Scope.ADMIN, **{limit: frozenset("bc")})
    assert wide.lacks(narrow) == []
    assert ADMIN.lacks(wide) == []
    assert narrow.lacks(wide) == [limit]
    assert wide.lacks(other) == [limit]
    assert wide.lacks(ADMIN) == [limit]


def test_scopes_can_be_given_by_who_has_them() -> None:
    assert ADMIN.lacks(caller(*Scope)) == []
    assert caller(Scope.JOBS_READ).lacks(caller(Scope.JOBS_READ)) == []
    assert caller(Scope.JOBS_READ).lacks(caller(Scope.JOBS_READ, Scope.RUNS_READ)) == ["scopes"]
    assert caller(Scope.JOBS_READ).lacks(ADMIN) == ["scopes"]


def test_rights_that_end_outlive_only_those_that_end_no_later() -> None:
    def until(days: int | None) -> Caller:
        return Caller("c", frozenset(), expires_at=None if days is None else NOW + timedelta(days=days))

    assert until(None).outlives(until(None))
    assert until(None).outlives(until(1))
    assert until(2).outlives(until(2))
    assert until(2).outlives(until(1))
    assert not until(2).outlives(until(3))
    assert not until(2).outlives(until(None))


def test_a_token_ends_at_the_moment_that_was_said() -> None:
    token = Token(1, "t", Caller("t", frozenset(), expires_at=NOW), NOW)
    assert token.id == "tok_1"
    assert token.status(NOW - timedelta(microseconds=1)) is TokenStatus.ACTIVE
    assert token.status(NOW) is TokenStatus.EXPIRED
    assert Token(1, "t", token.caller, NOW, revoked_at=NOW).status(NOW) is TokenStatus.REVOKED
