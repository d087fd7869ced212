"""Tokens are remembered without what would let anybody use them."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.errors import Conflict, Invalid, NotFound
from syncd.model.access import Caller, Scope, TokenStatus
from syncd.state import State
from tests.integration.state.values import NOW, SECOND, together

READ = {Scope.JOBS_READ, Scope.RUNS_READ}


def test_a_token_is_found_by_its_secret_with_all_its_rights(state: State) -> None:
    made, secret = state.tokens.create(
        "dashboard",
        READ,
        NOW,
        jobs=["b", "a", "a"],
        databases=[],
        expires_at=NOW + SECOND,
        created_by="admin",
    )
    assert re.fullmatch(r"syncd_1_[A-Za-z0-9_-]{43}", secret)
    assert made.caller == Caller(
        "dashboard",
        frozenset(READ),
        jobs=frozenset("ab"),
        databases=frozenset(),
        knowledge_bases=None,
        expires_at=NOW + SECOND,
    )
    assert (made.created_at, made.created_by) == (NOW, "admin")
    assert state.tokens.find(secret, NOW) == made
    assert state.tokens.list() == [made]
    assert state.tokens.get("tok_1") == state.tokens.get("dashboard") == made


def test_no_two_secrets_are_alike(state: State) -> None:
    secrets = [state.tokens.create(f"t{n}", READ, NOW)[1] for n in range(20)]
    assert len({secret.split("_", 2)[2] for secret in secrets}) == 20
    assert [secret.split("_")[1] for secret in secrets] == [str(n) for n in range(1, 21)]


def test_every_other_text_finds_nothing(state: State) -> None:
    _, secret = state.tokens.create("t", READ, NOW)
    _, other = state.tokens.create("u", READ, NOW)
    random = secret.removeprefix("syncd_1_")
    wrong = [
        "",
        "syncd",
        "syncd_1_",
        random,
        f"syncd_{random}",
        f"syncd_2_{random}",
        f"syncd_01_{random}",
        f"syncd_-1_{random}",
        f"syncd_９_{random}",
        f"syncd_{10**17}_{random}",
        f"syncd_{10**30}_{random}",
        f"Syncd_1_{random}",
        f" {secret}",
        f"{secret} ",
        f"{secret}\n",
        f"{secret}A",
        secret[:-1],
        secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        f"syncd_1_{other.removeprefix('syncd_2_')}",
        f"syncd_1_{hashlib.sha256(random.encode()).hexdigest()[:43]}",
        "syncd_1_' OR '1'='1",
        "syncd_1_" + "\x00" * 43,
        "syncd_1_" + "\ud800" * 43,
    ]
    assert [text for text in wrong if state.tokens.find(text, NOW) is not None] == []
    assert state.tokens.find(secret, NOW) is not None


def test_comparing_takes_the_same_way_for_a_number_that_nobody_has(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right token, a wrong one and one of a number that was never given are each compared once, at full length."""
    _, secret = state.tokens.create("t", READ, NOW)
    compared: list[tuple[int, int]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr("syncd.state.tokens.hmac.compare_digest", compare)
    for text in (secret, f"syncd_1_{'A' * 43}", f"syncd_77_{'A' * 43}"):
        state.tokens.find(text, NOW)
    assert compared == [(64, 64)] * 3


def test_a_token_is_good_up_to_its_end(state: State) -> None:
    _, secret = state.tokens.create("t", READ, NOW, expires_at=NOW + SECOND)
    assert state.tokens.find(secret, NOW + SECOND - timedelta(microseconds=1)) is not None
    assert state.tokens.find(secret, NOW + SECOND) is None
    assert state.tokens.get("t").status(NOW + SECOND) is TokenStatus.EXPIRED
    # A clock that is set back makes it good again: it is judged, not marked.
    assert state.tokens.find(secret, NOW) is not None


def test_a_token_that_is_revoked_finds_nothing_and_frees_its_name(state: State) -> None:
    token, secret = state.tokens.create("t", READ, NOW)
    with pytest.raises(Conflict, match="there is a token 't' already"):
        state.tokens.create("t", READ, NOW)
    state.tokens.revoke(token.number, NOW + SECOND, "admin")
    state.tokens.revoke(token.number, NOW + 2 * SECOND)
    assert state.tokens.find(secret, NOW) is None
    assert state.tokens.get("tok_1").revoked_at == NOW + SECOND
    with pytest.raises(NotFound):
        state.tokens.get("t")
    again, _ = state.tokens.create("t", READ, NOW)
    assert state.tokens.get("t") == again != token
    told = [(event.job_id, event.kind, event.detail) for event in state.events.list()]
    assert told == [
        (None, "token_created", f"{again.id} t"),
        (None, "token_revoked", "tok_1 t, by admin"),
        (None, "token_created", "tok_1 t"),
    ]


def test_of_many_who_want_a_name_at_once_one_gets_it(state: State) -> None:
    def create(_: int) -> str | None:
        try:
            return state.tokens.create("t", READ, NOW)[1]
        except Conflict:
            return None

    [secret] = [secret for secret in together(8, create) if secret is not None]
    assert state.tokens.find(secret, NOW) is not None


@pytest.mark.parametrize("name", ["", " a", "a b", "a\r\nb", "\x1b[31mred", "tok_1", "ü", "a" * 129, "-a", "a\n"])
def test_a_name_that_is_none_is_refused(state: State, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        state.tokens.create(name, READ, NOW, expires_at=NOW)
    assert {fault.where for fault in refused.value.faults} == {"name", "expires_at"}
    assert state.tokens.list() == []


def test_the_last_use_is_written_once_a_minute(state: State) -> None:
    _, secret = state.tokens.create("t", READ, NOW)
    written = []
    for seconds in (0, 1, 59, 60, 61, 119, 120):
        now = NOW + seconds * SECOND
        token = state.tokens.find(secret, now)
        assert token is not None
        state.tokens.used(token, now)
        written.append(state.tokens.get("t").last_used_at)
    assert written == [NOW + seconds * SECOND for seconds in (0, 0, 0, 60, 60, 60, 120)]


def test_a_token_that_has_expired_keeps_the_door_closed_and_one_that_is_revoked_does_not(state: State) -> None:
    assert not state.tokens.exist()
    token, _ = state.tokens.create("t", READ, NOW, expires_at=NOW + SECOND)
    assert state.tokens.exist()
    assert state.tokens.list()[0].status(NOW + SECOND) is TokenStatus.EXPIRED
    state.tokens.revoke(token.number, NOW + SECOND)
    assert not state.tokens.exist()


def test_a_secret_is_nowhere_in_the_state(state: State, state_url: str, tmp_path: Path) -> None:
    token, secret = state.tokens.create("t", READ, NOW, created_by="admin")
    state.tokens.used(token, NOW)
    state.tokens.revoke(token.number, NOW)
    random = secret.removeprefix("syncd_1_")
    engine = sa.create_engine(state_url)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        dump = "\n".join(str(connection.execute(sa.select(table)).all()) for table in tables.sorted_tables)
    engine.dispose()
    assert hashlib.sha256(random.encode()).hexdigest() in dump
    assert random not in dump
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and random.encode() in file.read_bytes()]
    assert random not in repr(token)
