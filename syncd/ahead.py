"""Lets the next items be made while the last one is being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice, repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End:
    """What comes after the last item."""


_END = _End()


@contextmanager
def ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Take items in a thread, each while the caller uses the one before; they come in order, and so does an error.

    So at most one item waits, or is being made, beside the one that is used. When the block ends early, the item that
    is being made is finished, and dropped.

    Args:
        items: taken by one thread at a time, in the caller's context, so that log lines carry the same names.
    """

    def taken() -> Iterator[Item]:
        for item in made:
            if isinstance(item, _End):
                return
            yield item

    with made_ahead(lambda _: next(items, _END), repeat(None), 1) as made:
        yield taken()


@contextmanager
def made_ahead(make: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Iterator[Result]]:
    """Make a result of each item, some while the caller uses the one before; they come in order, and so does an error.

    So at most `threads` results wait, or are being made, beside the one that is used. When the block ends early, those
    that are being made are finished, and dropped.

    Args:
        make: called in the caller's context, so that log lines carry the same names.
        items: taken in the caller's thread.
        threads: how many results are made at once.
    """
    executor = ThreadPoolExecutor(threads, thread_name_prefix="ahead")

    def made() -> Iterator[Result]:
        left = iter(items)
        under_way = deque(map(begin, islice(left, threads)))
        while under_way:
            result = under_way.popleft().result()
            under_way.extend(map(begin, islice(left, 1)))
            yield result

    def begin(item: Item) -> Future[Result]:
        return executor.submit(copy_context().run, make, item)

    try:
        yield made()
    finally:
        executor.shutdown(cancel_futures=True)
