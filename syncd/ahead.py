"""Lets the making of the next item go on while the last one is being used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")


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

    def take() -> Item | _End:
        return next(items, _END)

    def taken() -> Iterator[Item]:
        following = executor.submit(copy_context().run, take)
        while not isinstance(item := following.result(), _End):
            following = executor.submit(copy_context().run, take)
            yield item

    executor = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        yield taken()
    finally:
        executor.shutdown(cancel_futures=True)
