"""A signal's answer may take the locks that the main thread holds; tried in processes of their own."""

from __future__ import annotations

import subprocess
import sys

HEAD = """
import signal, threading
from queue import SimpleQueue
from syncd.signals import answered
"""

LOCKED = """
lock, done = threading.Lock(), threading.Event()

def answer(_):
    with lock:
        done.set()

with answered((signal.SIGUSR1,), answer):
    with lock:
        # Its handler runs here, before the next line.
        signal.raise_signal(signal.SIGUSR1)
        print(done.is_set())
    print(done.wait(60))
"""

IN_ORDER = """
answers = SimpleQueue()
with answered((signal.SIGUSR1, signal.SIGUSR2), lambda number: answers.put((number, threading.current_thread()))):
    signal.raise_signal(signal.SIGUSR2)
    signal.raise_signal(signal.SIGUSR1)
    for _ in range(2):
        number, thread = answers.get(timeout=60)
        print(number.name, thread is threading.main_thread())
"""

BROKEN_OFF = """
def break_off(number):
    raise KeyError(number.name)

try:
    with answered((signal.SIGUSR1,), lambda _: None, break_off):
        signal.raise_signal(signal.SIGUSR1)
        print("never reached")
except KeyError as error:
    print(error.args[0], signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL)
"""

STUCK = """
from syncd.cli.interrupt import on_interrupt

begun = threading.Event()

def stop():
    begun.set()
    threading.Event().wait()

with on_interrupt(stop):
    signal.raise_signal(signal.SIGINT)
    begun.wait(60)
    signal.raise_signal(signal.SIGINT)
"""


def told(program: str, status: int = 0) -> list[str]:
    """Run a program that ends with this status, and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout.splitlines()


def test_an_answer_waits_for_a_lock_that_the_main_thread_holds_without_stopping_it() -> None:
    assert told(LOCKED) == ["False", "True"]


def test_signals_are_answered_in_order_outside_the_main_thread() -> None:
    assert told(IN_ORDER) == ["SIGUSR2 False", "SIGUSR1 False"]


def test_the_block_can_be_broken_off_at_once_and_the_handlers_before_it_come_back() -> None:
    assert told(BROKEN_OFF) == ["SIGUSR1 True"]


def test_a_second_ctrl_c_does_not_wait_for_the_answer_to_the_first() -> None:
    assert told(STUCK, status=130) == []
