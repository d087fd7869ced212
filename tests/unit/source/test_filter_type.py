"""Local times and the fence: an hour that the clock repeats is not closed before its second time round."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from syncd.model.watermark import Watermark
from syncd.source.cursor import MOST_PENDING, Fence, advance, observe
from syncd.source.filter_type import InstantType, NumberType, closed_local

BERLIN = ZoneInfo("Europe/Berlin")
FOLD = datetime(2026, 10, 25, 0, tzinfo=UTC)  # 02:00 local time, for the first time


@given(
    now=st.integers(-7200, 14_400).map(lambda s: FOLD + timedelta(seconds=s)),
    later=st.integers(0, 14_400).map(lambda s: timedelta(seconds=s)),
)
def test_no_later_moment_is_written_below_a_closed_local_time(now: datetime, later: timedelta) -> None:
    stamp = (now + later).astimezone(BERLIN).replace(tzinfo=None)
    assert stamp >= closed_local(now, BERLIN)


def test_outside_the_fold_the_local_time_itself_is_closed() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert closed_local(now, BERLIN) == datetime(2026, 7, 1, 14)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(before=st.none() | moments, last=moments, instant=moments)
def test_a_watermark_of_times_never_moves_back_and_never_passes_the_fence(
    before: datetime | None, last: datetime, instant: datetime
) -> None:
    fence = Fence(instant, max(instant, last))
    after = advance(Watermark(before), last, fence, InstantType(timedelta(minutes=5))).value
    assert isinstance(after, datetime)
    assert before is None or after >= before
    assert after in {before, last, instant}
    assert after == before or after <= min(last, instant)


@given(values=st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_what_is_remembered_of_numbers_stays_short_and_keeps_the_newest(values: list[int]) -> None:
    watermark = Watermark()
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    for step, value in enumerate(values):
        watermark = observe(watermark, value, clock + timedelta(seconds=step))
        assert len(watermark.pending) <= MOST_PENDING
        assert value in {seen.value for seen in watermark.pending}
    clocks = [seen.clock for seen in watermark.pending]
    numbers = NumberType("integer", 1000)
    end = advance(watermark, 1000, Fence(max(clocks), max(clocks)), numbers)
    assert end.value == max(seen.value for seen in watermark.pending)
    held = advance(watermark, 1000, Fence(max(clocks), max(clocks), held_still=True), numbers)
    assert held.value is None
