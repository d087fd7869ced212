"""A signal's answer may take the locks that the main thread holds."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue

import pytest

from syncd.signals import answered

DEADLINE_SECONDS = 60


def test_an_answer_waits_for_a_lock_that_the_main_thread_holds_without_stopping_it() -> None:
    lock, done = threading.Lock(), threading.Event()

    def answer(_: signal.Signals) -> None:
        with lock:
            done.set()

    with answered((signal.SIGUSR1,), answer):
        with lock:
            # Its handler runs here, before the next line.
            signal.raise_signal(signal.SIGUSR1)
            assert not done.is_set()
        assert done.wait(DEADLINE_SECONDS)


def test_signals_are_answered_in_order_outside_the_main_thread() -> None:
    answers: SimpleQueue[tuple[signal.Signals, str]] = SimpleQueue()
    with answered(
        (signal.SIGUSR1, signal.SIGUSR2), lambda number: answers.put((number, threading.current_thread().name))
    ):
        signal.raise_signal(signal.SIGUSR2)
        signal.raise_signal(signal.SIGUSR1)
        assert [answers.get(timeout=DEADLINE_SECONDS) for _ in range(2)] == [
            (signal.SIGUSR2, "signals"),
            (signal.SIGUSR1, "signals"),
        ]


def test_the_block_can_be_broken_off_at_once_and_the_handlers_before_it_come_back() -> None:
    class BrokenOff(BaseException):
        pass

    def break_off(_: signal.Signals) -> None:
        raise BrokenOff

    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(BrokenOff), answered((signal.SIGUSR1,), lambda _: None, break_off):
        signal.raise_signal(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is before
