"""Brings documents in step with portions of rows that no pass has read, and saves what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from syncd.compare import compare
from syncd.model.identity import decode_key, document_prefix, key_of
from syncd.model.record import Reach, Record, Reject, Standing
from syncd.model.run import Checkpoint
from syncd.pipeline import Commit
from syncd.ports import KnowledgeBase
from syncd.tally import Hooks, Tally
from syncd.writer import Writer

PORTION = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a portion of rows.

    Args:
        written: whether the knowledge base was changed.
        rejects: the rows that failed.
        settled: the keys whose dead letters, if there are any, have nothing to be mended any more.
    """

    written: bool
    rejects: Sequence[Reject] = ()
    settled: Collection[str] = ()


class Portion(Protocol):
    """Brings the documents of some rows in step."""

    def __call__(self, portion: Sequence[Standing]) -> Outcome: ...


class InStep:
    """Compares rows with the fingerprints that are held, and syncs those that are missing or differ.

    Args:
        knowledge_base: open.
        writer: brings the documents to what the rows say, and counts the rows.
        tally: the same that the writer counts in.
    """

    def __init__(self, knowledge_base: KnowledgeBase, writer: Writer, tally: Tally) -> None:
        self._kb = knowledge_base
        self._writer = writer
        self._tally = tally

    def __call__(self, portion: Sequence[Standing]) -> Outcome:
        """See `Portion`."""
        standings = [(standing.row, standing.reach) for standing in portion if isinstance(standing.row, Record)]
        with self._tally.timed("compare"):
            held = self._kb.fingerprints([record.document_id for record, _ in standings])
            # What the job was told to leave out stays out, unless it was read once.
            records = [row for row, reach in standings if reach is not Reach.LEFT_OUT or row.document_id in held]
            changes = compare(records, held)
        self._writer.count(len(portion) - len(records))
        rejects = [*unread(portion), *self._writer.apply(changes)]
        synced = {key_of(record.document_id) for record in records} - {reject.key for reject in rejects}
        return Outcome(not changes.empty, rejects, synced)


@dataclass(frozen=True, slots=True)
class Saving:
    """Saves what came of portions, and leaves the watermark where it is.

    Args:
        knowledge_base: open.
        commit: saves counts and rows that failed.
        dead_keys: the keys that are in the job's dead letters now.
        tally: counts what is done.
    """

    knowledge_base: KnowledgeBase
    commit: Commit
    dead_keys: frozenset[str]
    tally: Tally
    hooks: Hooks

    def do(self, work: Portion, portion: Sequence[Standing], checkpoint: Checkpoint) -> Checkpoint:
        """Have a portion brought in step, and return the checkpoint with the knowledge base's identity after that."""
        self.hooks.flood.read(len(portion))
        self.hooks.flood.reject(unread(portion))
        return self.save(work(portion), checkpoint)

    def save(self, outcome: Outcome, checkpoint: Checkpoint) -> Checkpoint:
        """Save an outcome, unless it changes nothing; return as `do`."""
        resolved = sorted(self.dead_keys.intersection(outcome.settled))
        self.tally.add(dead_lettered=len(outcome.rejects))
        if not (outcome.written or outcome.rejects or resolved):
            return checkpoint
        if outcome.written:
            checkpoint = replace(checkpoint, identity=self.knowledge_base.advance())
        self.hooks.reached("commit")
        with self.tally.timed("commit"):
            self.commit(checkpoint, self.tally, outcome.rejects, resolved)
        self.hooks.reached("committed")
        return checkpoint


def unread(portion: Sequence[Standing]) -> list[Reject]:
    """Return the rows that cannot be read."""
    return [standing.row for standing in portion if isinstance(standing.row, Reject)]


def portions(keys: Iterable[str], source_table: str) -> Iterator[list[str]]:
    """Return the ids of the documents of these keys in portions, to be asked for one after the other."""
    ids = [document_prefix(source_table) + key for key in sorted(keys)]
    for start in range(0, len(ids), PORTION):
        yield ids[start : start + PORTION]


def readable(keys: Iterable[str]) -> frozenset[str]:
    """Return those keys by which a row can be asked for; one that is NULL or no valid text cannot."""
    return frozenset(key for key in keys if _is_readable(key))


def _is_readable(key: str) -> bool:
    try:
        decode_key(key)
    except ValueError:
        return False
    return True
