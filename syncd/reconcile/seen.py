"""Which documents' rows a sweep has met."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np


class Seen:
    """Ids that were met, of each of which eight bytes are kept, for a table has many.

    One that was never met is taken for met if its hash is that of another: with n ids met the chance is n to 2^64.
    Texts hash differently in each process, so that one that was just started tells the two apart.
    """

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids."""
        self._hashes.extend(map(hash, ids))

    def unmet(self, ids: Sequence[str]) -> list[str]:
        """Return those of these ids that were never met."""
        if not self._hashes:
            return list(ids)
        met = np.frombuffer(self._hashes, np.int64)
        met.sort(kind="stable")  # in place, and in no time where it is sorted already
        asked = np.fromiter(map(hash, ids), np.int64, len(ids))
        places = np.searchsorted(met, asked)
        known = met[np.minimum(places, len(met) - 1)] == asked
        return [id_ for id_, is_known in zip(ids, known.tolist(), strict=True) if not is_known]
