"""Every value has one text, and only what a store can hold becomes metadata."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from syncd.errors import RecordError
from syncd.model.canonical import metadata_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x00b", "a\x00b"),
        (True, "true"),
        (7, "7"),
        (1.0, "1"),
        (0.1, "0.1"),
        (math.inf, "inf"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:00:00+00:00"),
        (timedelta(days=1, microseconds=1), "86400.000001 s"),
        (b"\x00\xff", "AP8="),
        ({"b": [1, None], "a": "ü"}, '{"a":"ü","b":[1,null]}'),
        ([Decimal("1.5"), b"x"], '["1.5","eA=="]'),
        ({"z", "a"}, '["a","z"]'),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("שלום 👋", "שלום 👋"),
    ],
)
def test_each_type_has_one_text(value: object, text: str) -> None:
    assert text_of(value) == text


def test_text_that_is_not_unicode_is_a_fault_of_that_row() -> None:
    with pytest.raises(RecordError, match="character 2"):
        text_of("ab\udcff")


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (None, None),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (math.nan, "nan"),
        (0.5, 0.5),
        (Decimal("0.10"), "0.10"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
    ],
)
def test_metadata_is_what_a_store_can_hold_without_loss(value: object, held: object) -> None:
    assert metadata_of(value) == held


def test_json_too_deep_to_write_is_a_fault_of_that_row() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecordError, match="JSON"):
        text_of(deep)
