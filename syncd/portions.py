"""Cuts many items into portions that are not too heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def portions(
    items: Iterable[Item], most: int, weight: Callable[[Item], int], heaviest: Callable[[], int]
) -> Iterator[list[Item]]:
    """Yield portions in order, each with one item at least.

    Args:
        most: how many items a portion has at most.
        weight: of an item.
        heaviest: what a portion may weigh, unless a single item weighs more; asked for each item.
    """
    portion: list[Item] = []
    held = 0
    for item in items:
        more = weight(item)
        if portion and (len(portion) == most or held + more > heaviest()):
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += more
    if portion:
        yield portion
