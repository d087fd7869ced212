"""What is dear is made when it is needed, and let go when it has idled."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from syncd.embed.idle import Idle, start_timer

AFTER = timedelta(minutes=5)


class Thing:
    """What is lent."""


@dataclass
class Call:
    """A call that is to come."""

    after: timedelta
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Timers:
    """Timers that fire when a test says so."""

    started: list[Call] = field(default_factory=list)

    def start(self, after: timedelta, call: Callable[[], None]) -> Call:
        self.started.append(Call(after, call))
        return self.started[-1]


@pytest.fixture
def timers() -> Timers:
    return Timers()


def _is_kept(idle: Idle[Thing], before: weakref.ref[Thing]) -> bool:
    gc.collect()
    with idle.lend() as thing:
        return thing is before()


def _lent(idle: Idle[Thing]) -> weakref.ref[Thing]:
    with idle.lend() as thing:
        return weakref.ref(thing)


def test_it_is_made_once_and_stays_without_a_limit(timers: Timers) -> None:
    """Nothing is timed where nothing is to be let go."""
    idle = Idle(Thing, None, timers.start)
    assert _is_kept(idle, _lent(idle))
    assert timers.started == []


def test_it_goes_after_idling_and_is_made_again(timers: Timers) -> None:
    """Nobody holds on to it."""
    idle = Idle(Thing, AFTER, timers.start)
    first = _lent(idle)
    assert [timer.after for timer in timers.started] == [AFTER]
    timers.started[0].call()
    gc.collect()
    assert first() is None
    assert _lent(idle)() is not None


def test_it_stays_while_somebody_has_it(timers: Timers) -> None:
    """Time runs from when the last one gives it back."""
    idle = Idle(Thing, AFTER, timers.start)
    with idle.lend() as first:
        with idle.lend() as second:
            assert second is first
        assert timers.started == []
    assert len(timers.started) == 1


def test_a_timer_that_comes_too_late_takes_nothing(timers: Timers) -> None:
    """One that fired just when the thing was lent again finds it in use, or used since."""
    idle = Idle(Thing, AFTER, timers.start)
    first = _lent(idle)
    with idle.lend():
        assert timers.started[0].cancelled
        timers.started[0].call()
        assert first() is not None
    timers.started[0].call()
    assert _is_kept(idle, first)


def test_what_cannot_be_made_is_tried_again() -> None:
    """The error is the caller's, and nothing is counted as lent."""
    outcomes: Iterator[ValueError | Thing] = iter([ValueError("not yet"), Thing()])

    def make() -> Thing:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    timers = Timers()
    idle = Idle(make, AFTER, timers.start)
    with pytest.raises(ValueError, match="not yet"), idle.lend():
        pass
    assert _lent(idle)() is not None
    assert len(timers.started) == 1


def test_nobody_ever_has_what_was_let_go(timers: Timers) -> None:
    """Threads that borrow while every timer fires as often as it can always hold what is held now."""
    idle = Idle(Thing, AFTER, timers.start)
    alone = threading.Lock()
    done = threading.Event()

    def borrow() -> None:
        for _ in range(300):
            with idle.lend() as one, idle.lend() as same:
                assert one is same

    def fire() -> None:
        while not done.is_set():
            with alone:
                for timer in list(timers.started[-3:]):
                    timer.call()

    with ThreadPoolExecutor(4) as pool:
        firing = pool.submit(fire)
        borrowing = [pool.submit(borrow) for _ in range(3)]
        try:
            for one in borrowing:
                one.result()
        finally:
            done.set()
        firing.result()


def test_the_real_timer_calls_and_can_be_cancelled() -> None:
    """It keeps no process alive."""
    called = threading.Event()
    start_timer(timedelta(0), called.set)
    assert called.wait(30)
    start_timer(timedelta(days=1), called.clear).cancel()
    assert called.is_set()
