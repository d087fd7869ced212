"""A message is tried again, later and later, until it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from syncd.webhooks.retries import next_attempt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(attempts: int, chance: float = 0, retry_after: str | None = None) -> float | None:
    moment = next_attempt(attempts, NOW, chance, retry_after)
    return None if moment is None else (moment - NOW).total_seconds()


def test_pauses_double_up_to_an_hour_and_end_after_twelve_attempts() -> None:
    pauses = [seconds(attempts) for attempts in range(1, 13)]
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, None]


def test_chance_takes_up_to_half_of_a_pause() -> None:
    assert (seconds(3, 0), seconds(3, 0.5), seconds(3, 1)) == (40, 30, 20)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 10),
        ("5", 10),
        ("7200", 7200),
        ("99999999999999999999", 86400),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), 10),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 86400),
        ("-5", 10),
        ("soon", 10),
        ("", 10),
        ("1e3", 10),
        ("²", 10),
    ],
)
def test_a_receiver_may_ask_for_a_longer_pause(asked: str, expected: float) -> None:
    assert seconds(1, retry_after=asked) == expected


def test_nothing_that_is_asked_for_adds_an_attempt() -> None:
    assert seconds(12, retry_after="1") is None
