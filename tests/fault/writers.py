"""The kinds of writers that the interleavings are made of.

A case without a lookback rests on the fence alone. Where the fence by design cannot see a writer, there are two cases:
one without a lookback, which loses rows, and one with a lookback, which does not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.fault import writers_mariadb, writers_postgresql
from tests.fault.cases import Case

SEEN = (*writers_postgresql.SEEN, *writers_mariadb.SEEN)
"""Writers that the fence sees."""

UNSEEN = (*writers_postgresql.UNSEEN, *writers_mariadb.UNSEEN)
"""Writers that it cannot see."""

HARMLESS = (*writers_postgresql.HARMLESS, *writers_mariadb.HARMLESS)
"""Writers that no fence is needed for."""

LONG = writers_postgresql.LONG
"""More steps and more polls than a test can take the time for."""


def with_lookback(case: Case) -> Case:
    """The same writers, and a lookback that is longer than any of them."""
    return replace(case, name=f"{case.name}, with a lookback", lookback=timedelta(minutes=1))
