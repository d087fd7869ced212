"""Who has waited longest is next."""

from __future__ import annotations

import threading

import pytest

from syncd.state.turns import Turns
from tests.waiting import until


def test_threads_are_served_in_the_order_in_which_they_came() -> None:
    turns = Turns()
    served: list[int] = []

    def take(number: int) -> None:
        with turns:
            served.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(20)]
    with turns:
        for arrived, thread in enumerate(threads, 1):
            thread.start()
            until(lambda arrived=arrived: len(turns._waiting) == arrived)  # type: ignore[misc]
        assert served == []
    for thread in threads:
        thread.join(60)
    assert served == list(range(20))


def test_only_one_has_a_turn_however_many_ask() -> None:
    turns = Turns()
    inside = 0
    most = 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(200):
            with turns:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, inside) == (1, 0)


def test_a_turn_that_fails_is_over_too() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    with turns:
        pass
