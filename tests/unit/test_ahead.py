"""Items are made while others are used: in order, no further, and with the same errors as without threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from syncd.ahead import ahead, made_ahead

PATIENCE = 30


def test_the_next_item_is_made_while_one_is_used() -> None:
    """Neither would come to its end without the other."""
    used, made = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert used.wait(PATIENCE)
        made.set()
        yield 2

    found = []
    with ahead(items()) as taken:
        for item in taken:
            found.append(item)
            used.set()
            assert made.wait(PATIENCE)
    assert found == [1, 2]


def test_no_more_than_one_item_waits() -> None:
    """However slow the caller is, memory stays what it is."""
    begun: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            begun.append(number)
            if number == 2:
                third.set()
            yield number

    with ahead(items()) as taken:
        assert next(taken) == 0
        assert next(taken) == 1
        assert third.wait(PATIENCE)
        assert begun == [0, 1, 2]
        assert list(taken) == [2, 3, 4]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("broke off")

    with ahead(items()) as taken:
        assert next(taken) == 1
        with pytest.raises(RuntimeError, match="broke off"):
            next(taken)


def test_a_caller_that_leaves_early_waits_for_what_is_being_made() -> None:
    """Nothing goes on behind its back."""
    entered, ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        entered.set()
        ended.set()
        yield 2
        raise AssertionError("nobody asked for a third")

    with pytest.raises(KeyError), ahead(items()) as taken:
        assert next(taken) == 1
        assert entered.wait(PATIENCE)
        raise KeyError
    assert ended.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_items_are_made_in_the_callers_context() -> None:
    """Log lines of a run carry its name, whatever thread they come from."""
    name: ContextVar[str] = ContextVar("name", default="nobody")
    name.set("caller")
    with ahead(name.get() for _ in range(2)) as taken:
        assert list(taken) == ["caller", "caller"]


def test_several_are_made_at_once_and_come_in_order() -> None:
    """The first one waits for the third, and is used before it all the same."""
    begun = [threading.Event() for _ in range(5)]

    def make(number: int) -> int:
        begun[number].set()
        if number == 0:
            assert begun[2].wait(PATIENCE)
        return number

    with made_ahead(make, range(5), 3) as made:
        assert list(made) == [0, 1, 2, 3, 4]


def test_no_more_are_taken_than_may_wait() -> None:
    """An item is taken when there is room for what is made of it, so that it can still depend on those before."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    with made_ahead(lambda number: number, items(), 2) as made:
        assert next(made) == 0
        assert taken == [0, 1, 2]
        assert next(made) == 1
        assert taken == [0, 1, 2, 3]


def test_an_error_in_one_that_is_made_comes_in_its_turn() -> None:
    def make(number: int) -> float:
        return 1 / (2 - number)

    with made_ahead(make, range(5), 3) as made:
        assert (next(made), next(made)) == (0.5, 1.0)
        with pytest.raises(ZeroDivisionError):
            next(made)
