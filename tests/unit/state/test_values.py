"""What goes into the state is what both databases can hold, and comes out in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ConfigError
from syncd.state import State
from syncd.state.failure import display
from syncd.state.schema import UtcTime, storable

SQLITE, POSTGRES = (sa.make_url(f"{name}://").get_dialect()() for name in ("sqlite", "postgresql"))


@given(st.text(st.characters(exclude_categories=[])))
def test_text_is_made_storable_once_and_for_all(text: str) -> None:
    clean = storable(text)
    clean.encode("utf-8")
    assert "\x00" not in clean
    assert storable(clean) == clean
    if text.isprintable():
        assert clean == text


def test_long_text_is_cut_visibly() -> None:
    assert storable("abcdef", 4) == "abc…"
    assert storable("abcd", 4) == "abcd"


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=lambda dialect: str(dialect.name))
@given(moment=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.timezones()))
def test_moments_of_any_zone_come_back_in_utc(dialect: sa.Dialect, moment: datetime) -> None:
    column = UtcTime()
    back = column.process_result_value(column.process_bind_param(moment, dialect), dialect)
    assert back == moment.astimezone(UTC)
    assert back is not None
    assert back.tzinfo is UTC


def test_a_moment_from_another_session_zone_comes_back_in_utc() -> None:
    there = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    back = UtcTime().process_result_value(there, POSTGRES)
    assert (back, back and back.tzinfo) == (datetime(2026, 1, 1, tzinfo=UTC), UTC)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcTime().process_bind_param(datetime(2026, 1, 1), SQLITE)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///data/syncd.db", "data/syncd.db"),
        ("postgresql://me:pw@db:5433/syncd?sslpassword=pw", "postgresql://me:***@db:5433/syncd"),
        ("postgresql:///syncd?host=/run/pg&password=pw", "postgresql:///syncd"),
    ],
)
def test_a_state_is_shown_without_secrets(url: str, shown: str) -> None:
    assert display(sa.make_url(url)) == shown


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("nonsense", "write sqlite:///path or postgresql://"),
        ("mysql://db/syncd", "'mysql' cannot hold it"),
        ("postgres://db/syncd", "'postgres' cannot hold it"),
        ("sqlite://", "write sqlite:///path"),
        ("sqlite:///:memory:", "write sqlite:///path"),
        ("sqlite:///file:x?uri=true", "write sqlite:///path"),
        ("postgresql+psycopg2://db/syncd", "write postgresql://"),
    ],
)
def test_a_url_that_can_hold_no_state_is_answered_with_one_that_can(url: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as raised:
        State.open(url)
    assert remedy in str(raised.value)
