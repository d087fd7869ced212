"""Watermarks survive being saved, whatever they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from syncd.model.watermark import FilterValue, Observation, Watermark, type_name

filter_values: st.SearchStrategy[FilterValue] = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.datetimes(),
    # A day from either end of the calendar, which UTC's has not everywhere.
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()).map(
        lambda moment: moment.astimezone(UTC)
    ),
)
clocks = st.datetimes(datetime(1990, 1, 1), timezones=st.just(UTC))
watermarks = st.builds(
    Watermark,
    st.none() | filter_values,
    st.lists(st.builds(Observation, filter_values, clocks), max_size=4).map(tuple),
    st.none() | filter_values,
)


@given(watermarks)
def test_a_saved_watermark_is_read_back_without_loss(watermark: Watermark) -> None:
    again = Watermark.load(watermark.dump())
    assert again == watermark
    if watermark.value is not None and again.value is not None:
        assert type_name(again.value) == type_name(watermark.value)
        assert str(again.value) == str(watermark.value)


def test_a_watermark_stays_small_however_many_rows_share_a_value() -> None:
    pending = tuple(Observation(Decimal(n), datetime(2026, 1, 1, tzinfo=UTC)) for n in range(16))
    assert len(Watermark(Decimal(1), pending, Decimal(2)).dump()) < 1024 * 2
