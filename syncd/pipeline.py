"""The data path of one run: read, compare, split, embed, upsert, commit."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from syncd.ahead import ahead
from syncd.compare import compare
from syncd.model.identity import key_of
from syncd.model.record import Identity, Reject, Window
from syncd.model.run import Checkpoint, RunOptions
from syncd.ports import Chunker, Embedder, KnowledgeBase, Pass, Source
from syncd.tally import Hooks, Tally
from syncd.writer import Recall, Writer

log = logging.getLogger(__name__)


class Commit(Protocol):
    """Saves a checkpoint, the run's counts and the rows that failed in one transaction; see `syncd.state`."""

    def __call__(
        self, checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], resolved: Sequence[str]
    ) -> None: ...


class Pipeline:
    """Brings a knowledge base in step with a source.

    Args:
        source, chunker, embedder, knowledge_base: the parts, open.
        commit: saves a checkpoint.
        meaning: the hash of the job's definition; a checkpoint of another one does not apply.
        dead_keys: the keys that are in the job's dead letters now.
        recall: finds chunks that need not be embedded again.
    """

    def __init__(
        self,
        source: Source,
        chunker: Chunker,
        embedder: Embedder,
        knowledge_base: KnowledgeBase,
        *,
        commit: Commit,
        meaning: str,
        dead_keys: frozenset[str] = frozenset(),
        hooks: Hooks = Hooks(),
        recall: Recall = lambda contents: {},
    ) -> None:
        self._source = source
        self._chunker = chunker
        self._embedder = embedder
        self._kb = knowledge_base
        self._commit = commit
        self._meaning = meaning
        self._dead_keys = dead_keys
        self._hooks = hooks
        self._recall = recall

    def run(self, checkpoint: Checkpoint | None, options: RunOptions, tally: Tally) -> Checkpoint:
        """Read everything that is new since the checkpoint into the knowledge base, and return the new checkpoint.

        Args:
            checkpoint: where the last run came to, None for the first; see `mismatch`.
            options: whether to read everything, and how many rows at most.
            tally: counts what is done, also when this raises.

        Raises:
            SyncError: as the parts raise; the last committed checkpoint stays valid.
        """
        with tally.timed("read"):
            current = self._source.begin(checkpoint.watermark if checkpoint else None, options)
        tally.total = current.rows if options.limit is None else min(current.rows or 0, options.limit)
        tally.watermark = current.start
        for warning in current.warnings:
            log.warning("%s", warning)
        identity = self._kb.identity()
        if checkpoint is not None and not options.full and _is_idle(checkpoint, current):
            # The watermark stays: only reading shows that nothing changed places below it.
            tally.total = 0
            return checkpoint
        read_before = tally.counts.records_read
        writer = Writer(self._chunker, self._embedder, self._kb, self._hooks, tally, recall=self._recall)
        with ahead(self._windows(current, tally)) as windows:
            for window in windows:
                tally.watermark = window.watermark
                identity = self._sync(window, writer, tally)
        complete = options.limit is None or tally.counts.records_read - read_before < options.limit
        done = Checkpoint(
            tally.watermark,
            self._meaning,
            identity,
            glance=current.glance if complete else None,
            read_at=current.clock,
        )
        self._save(done, tally, (), ())
        return done

    def _windows(self, current: Pass, tally: Tally) -> Iterator[Window]:
        windows = self._source.windows(current)
        while True:
            with tally.timed("read"):
                window = next(windows, None)
            if window is None:
                return
            self._hooks.reached("read")
            yield window

    def _sync(self, window: Window, writer: Writer, tally: Tally) -> Identity:
        self._hooks.boundary()
        with tally.timed("compare"):
            held = self._kb.fingerprints([record.document_id for record in window.records])
            changes = compare(window.records, held)
        self._hooks.flood.read(window.rows)
        self._hooks.flood.reject(window.rejects)
        tally.add(records_read=len(window.rejects))
        rejects = [*window.rejects, *writer.apply(changes)]
        tally.add(dead_lettered=len(rejects))
        failed = {reject.key for reject in rejects}
        synced = {key_of(record.document_id) for record in window.records} - failed
        # Also where nothing had to be written: a run that was killed may have written it, and an older copy lacks it.
        identity = self._kb.advance()
        checkpoint = Checkpoint(window.watermark, self._meaning, identity)
        self._save(checkpoint, tally, rejects, sorted(self._dead_keys & synced))
        return identity

    def _save(self, checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], resolved: Sequence[str]) -> None:
        """Commit, only now that the knowledge base has acknowledged everything the checkpoint covers (invariant 1)."""
        self._hooks.reached("commit")
        with tally.timed("commit"):
            self._commit(checkpoint, tally, rejects, resolved)
        self._hooks.reached("committed")
        self._hooks.progress(tally)


def mismatch(checkpoint: Checkpoint, meaning: str, identity: Identity) -> str | None:
    """Tell why a checkpoint does not apply any more, or None when it does.

    Args:
        meaning: the hash of the job's definition now.
        identity: of the knowledge base now.
    """
    if checkpoint.meaning != meaning:
        return "the job's definition changed"
    if checkpoint.identity.uuid != identity.uuid:
        return "the knowledge base is a new one"
    return None


def _is_idle(known: Checkpoint, current: Pass) -> bool:
    """Tell whether the source looks as it did when it was last read to its end, a short while ago."""
    return (
        known.glance == current.glance
        and not current.released
        and known.read_at is not None
        and current.clock - known.read_at < current.reread_after
    )
