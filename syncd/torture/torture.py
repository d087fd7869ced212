"""Puts the pieces together: a place, a table, a subject, and the rounds."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from syncd.knowledge.chroma import collection
from syncd.torture.changes import Changes
from syncd.torture.installation import Installation
from syncd.torture.process import preload
from syncd.torture.report import Report
from syncd.torture.rounds import Rounds
from syncd.torture.subjects import Naive, Subject, Syncd
from syncd.torture.table import Table

INDEX_ROWS = 300
"""Rows after which Chroma writes its index here. A kill in that write damages a store; syncd makes it rare."""


def torture(
    kills: int, seed: int, seconds: float, url: str | None, *, naive: bool, told: Callable[[str], None]
) -> tuple[Report, Path | None]:
    """Torment syncd, or the naive loop, and return what happened, with the folder to look into if it was not survived.

    Args:
        kills: after how many to stop.
        seed: of all choices.
        seconds: after how many to stop, if there were not so many kills until then.
        url: an empty database; None for a SQLite file.
        told: called now and then with a line about how far it is.

    Raises:
        SyncdError: the database cannot be used.
    """
    preload()
    collection.ROWS_BETWEEN_WRITES = INDEX_ROWS
    folder = Path(tempfile.mkdtemp(prefix="syncd-torture-"))
    try:
        where = url or f"sqlite:///{folder / 'table.db'}"
        table = Table(where)
    except BaseException:
        shutil.rmtree(folder)
        raise
    rng = random.Random(seed)  # noqa: S311 - the same choices again are what it is for
    subject: Subject
    if naive:
        subject = Naive(folder, where)
    else:
        subject = Syncd(Installation(folder, where, table.counts))
    report = Report(seed, "naive loop" if naive else "syncd", table.kind)
    rounds: Rounds
    changes = Changes(table, rng, lambda: rounds.setting.below is not None)
    rounds = Rounds(subject, changes, rng, report, told)
    keep = False
    try:
        rounds.torment(kills, seconds)
        keep = not (report.survived or naive)
    finally:
        changes.release()
        if not keep:
            table.remove()
            shutil.rmtree(folder)
    return report, folder if keep else None
