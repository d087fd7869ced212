"""A signal's answer may take the locks that the main thread holds.

The signals are those that do nothing to a process without a handler.
"""

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

    with answered((signal.SIGURG,), answer):
        with lock:
            # Its handler runs here, before the next line.
            signal.raise_signal(signal.SIGURG)
            assert not done.is_set()
        assert done.wait(DEADLINE_SECONDS)


def test_signals_are_answered_in_order_outside_the_main_thread() -> None:
    answers: SimpleQueue[tuple[signal.Signals, str]] = SimpleQueue()
    with answered(
        (signal.SIGURG, signal.SIGWINCH), lambda number: answers.put((number, threading.current_thread().name))
    ):
        signal.raise_signal(signal.SIGWINCH)
        signal.raise_signal(signal.SIGURG)
        assert [answers.get(timeout=DEADLINE_SECONDS) for _ in range(2)] == [
            (signal.SIGWINCH, "signals"),
            (signal.SIGURG, "signals"),
        ]


def test_the_block_can_be_broken_off_at_once_and_the_handlers_before_it_come_back() -> None:
    class BrokenOff(BaseException):
        pass

    def break_off(_: signal.Signals) -> None:
        raise BrokenOff

    before = signal.getsignal(signal.SIGURG)
    with pytest.raises(BrokenOff), answered((signal.SIGURG,), lambda _: None, break_off):
        signal.raise_signal(signal.SIGURG)
    assert signal.getsignal(signal.SIGURG) is before
