"""What commands read and write in small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import typer

from syncd.cli.failure import exit_code
from syncd.cli.search import condition
from syncd.cli.terminal import ago, moment, number, shown_error, span
from syncd.errors import (
    Cancelled,
    ConfigError,
    Conflict,
    Fault,
    InUse,
    LeaseLost,
    NotFound,
    PermanentError,
    SyncdError,
    TransientError,
    Unavailable,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=5", 5),
        ("a=-5", -5),
        ("a=2.5", 2.5),
        ("a=1e3", 1000.0),
        ("a=.5", 0.5),
        ("a=true", True),
        ("a=false", False),
        ("a=True", "True"),
        ("a=nan", "nan"),
        ("a=1_000", "1_000"),
        ("a=EU", "EU"),
        ("a=b=c", "b=c"),
        ("a=", ""),
        ('a="5"', "5"),
        ('a="true"', "true"),
        ('a="', '"'),
        ('a=""', ""),
    ],
)
def test_a_condition_is_read_as_the_type_that_it_looks_like(text: str, value: Any) -> None:
    found = condition(text)
    assert found == ("a", value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize("text", ["", "a", "=5"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        condition(text)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([Fault("a:1", "b")]), 2),
        (NotFound("x"), 2),
        (Conflict("x"), 2),
        (PermanentError("x"), 2),
        (Unavailable("x"), 3),
        (InUse("x", {}), 3),
        (TransientError("x"), 3),
        (PermissionError(13, "Permission denied", "f"), 3),
        (LeaseLost("x"), 1),
        (Cancelled("x"), 1),
        (SyncdError("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_every_error_has_its_exit_status(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_moments_are_told_in_utc() -> None:
    at = datetime(2026, 3, 1, 13, 30, 5, tzinfo=timezone(timedelta(hours=1)))
    assert moment(at) == "2026-03-01T12:30:05Z"
    assert moment(None) is None


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=3, minutes=59), "3 h"),
        (timedelta(days=9), "9 d"),
    ],
)
def test_distances_are_told_in_their_largest_unit(length: timedelta, text: str) -> None:
    assert span(length) == text
    assert ago(NOW - length, NOW) == f"{text} ago"
    assert ago(NOW + length, NOW) == f"in {text}"


def test_what_is_not_known_is_a_question_mark_or_a_dash() -> None:
    assert (number(None), number(12345), ago(None, NOW)) == ("?", "12,345", "-")


def test_a_password_in_a_librarys_message_is_hidden() -> None:
    assert shown_error("cannot reach postgresql://reader:hush@db/x") == "cannot reach postgresql://reader:***@db/x"
    assert shown_error(None) is None
