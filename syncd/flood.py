"""Tells rows that are at fault from something that makes all rows fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from syncd.errors import PermanentError
from syncd.model.record import Reject

SHARE = 0.1


class FloodGuard:
    """Ends a run in which so many rows fail that the rows cannot be at fault; several threads may tell it.

    Args:
        limit: how many rows may fail whatever share of all they are; None for any number.
        known: the keys of rows that had failed before the run; they fill nothing, and do not count.
    """

    def __init__(self, limit: int | None = None, known: Collection[str] = frozenset()) -> None:
        self._limit = limit
        self._known = known
        self._failed: set[str] = set()
        self._rows = 0

    def read(self, rows: int) -> None:
        """Count rows that are tried from now on."""
        self._rows += rows

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Count rows that failed.

        Raises:
            PermanentError: they are too many, in number and in share.
        """
        if self._limit is None:
            return
        self._failed.update(reject.key for reject in rejects if reject.key not in self._known)
        failed = len(self._failed)
        if failed <= self._limit or failed <= SHARE * self._rows:
            return
        raise PermanentError(
            f"{failed} of the {self._rows} rows that this run has read cannot be synced, such as {rejects[0].key}: "
            f"{rejects[0].reason}",
            "the watermark stays before them: mend what makes them fail, or raise max_dead_letters",
        )
