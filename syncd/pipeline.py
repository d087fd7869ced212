"""The data path of one run: read, compare, split, embed, upsert, commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from syncd.compare import Change, Comparison, compare
from syncd.errors import RecordError, TransientError
from syncd.model.identity import key_of
from syncd.model.record import Chunk, Document, Fingerprint, Identity, MetadataUpdate, Reject, Window
from syncd.model.run import Checkpoint, Counts, RunOptions
from syncd.model.watermark import Watermark
from syncd.ports import Chunker, Embedder, KnowledgeBase, Pass, Source

log = logging.getLogger(__name__)

BATCH_DOCUMENTS = 256
BATCH_CHARACTERS = 64_000
WRITE_DOCUMENTS = 1_000

Item = TypeVar("Item")


class Commit(Protocol):
    """Saves a checkpoint, the run's counts and the rows that failed in one transaction; see `syncd.state`."""

    def __call__(
        self, checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], resolved: Sequence[str]
    ) -> None: ...


@dataclass(slots=True)
class Tally:
    """What a run has done so far, in counts and in seconds per stage.

    Args:
        total: how many rows lie ahead in all, None while that is unknown.
    """

    counts: Counts = Counts()
    stages: dict[str, float] = field(default_factory=dict)
    total: int | None = None
    watermark: Watermark = Watermark()

    @property
    def progress(self) -> float | None:
        """The share of the rows that are done, 0 to 1."""
        if not self.total:
            return None
        return min(1.0, self.counts.records_read / self.total)

    def add(self, **counts: int) -> None:
        """Count more of what `Counts` names."""
        self.counts += Counts(**counts)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a pipeline tells and asks while it works.

    Args:
        boundary: called between batches; raises to stop there.
        progress: called after each batch.
        reached: called with the name of each step, for tests that stop the process there.
    """

    boundary: Callable[[], None] = lambda: None
    progress: Callable[[Tally], None] = lambda tally: None
    reached: Callable[[str], None] = lambda step: None


class Pipeline:
    """Brings a knowledge base in step with a source.

    Args:
        source, chunker, embedder, knowledge_base: the parts, open.
        commit: saves a checkpoint.
        meaning: the hash of the job's definition; a checkpoint of another one does not apply.
        dead_keys: the keys that are in the job's dead letters now.
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
    ) -> None:
        self._source = source
        self._chunker = chunker
        self._embedder = embedder
        self._kb = knowledge_base
        self._commit = commit
        self._meaning = meaning
        self._dead_keys = dead_keys
        self._hooks = hooks

    def run(self, checkpoint: Checkpoint | None, options: RunOptions, tally: Tally) -> None:
        """Read everything that is new since the checkpoint into the knowledge base.

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
            self._settle(checkpoint, current, identity, tally)
            return
        read_before = tally.counts.records_read
        for window in self._windows(current, tally):
            tally.watermark = window.watermark
            identity = self._sync(window, identity, tally)
        complete = options.limit is None or tally.counts.records_read - read_before < options.limit
        done = Checkpoint(
            tally.watermark,
            self._meaning,
            identity,
            glance=current.glance if complete else None,
            read_at=current.clock,
        )
        self._save(done, tally, (), ())

    def _settle(self, known: Checkpoint, current: Pass, identity: Identity, tally: Tally) -> None:
        tally.total = 0
        tally.watermark = self._source.settle(current)
        if tally.watermark != known.watermark:
            self._save(Checkpoint(tally.watermark, self._meaning, identity, known.glance, known.read_at), tally, (), ())

    def _windows(self, current: Pass, tally: Tally) -> Iterator[Window]:
        windows = self._source.windows(current)
        while True:
            with tally.timed("read"):
                window = next(windows, None)
            if window is None:
                return
            self._hooks.reached("read")
            yield window

    def _sync(self, window: Window, identity: Identity, tally: Tally) -> Identity:
        self._hooks.boundary()
        with tally.timed("compare"):
            held = self._kb.fingerprints([record.document_id for record in window.records])
            changes = compare(window.records, held)
        tally.add(records_read=len(window.rejects) + changes.unchanged, unchanged=changes.unchanged)
        self._remove(changes, tally)
        rejects = [*window.rejects, *self._update(changes, tally), *self._embed(changes, tally)]
        tally.add(dead_lettered=len(rejects))
        failed = {reject.key for reject in rejects}
        synced = {key_of(record.document_id) for record in window.records} - failed
        if not changes.empty:
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

    def _remove(self, changes: Comparison, tally: Tally) -> None:
        for ids in _batches(changes.gone, WRITE_DOCUMENTS):
            self._hooks.boundary()
            with tally.timed("write"):
                self._kb.delete(ids)
                self._acknowledge(ids, dict.fromkeys(ids))
            deleted = len(changes.held.intersection(ids))
            tally.add(records_read=len(ids), deleted=deleted, unchanged=len(ids) - deleted)
            self._hooks.progress(tally)

    def _update(self, changes: Comparison, tally: Tally) -> list[Reject]:
        rejects: list[Reject] = []

        def write(updates: Sequence[MetadataUpdate]) -> None:
            with tally.timed("write"):
                self._kb.update_metadata(updates)
                self._acknowledge([update.id for update in updates], {u.id: u.fingerprint for u in updates})
            tally.add(metadata_updated=len(updates))

        for batch in _batches(changes.metadata, WRITE_DOCUMENTS):
            self._hooks.boundary()
            rejects += _isolated(batch, write, lambda update: update.id)
            tally.add(records_read=len(batch))
            self._hooks.progress(tally)
        return rejects

    def _embed(self, changes: Comparison, tally: Tally) -> list[Reject]:
        rejects: list[Reject] = []

        def write(batch: Sequence[Change]) -> None:
            documents = self._documents(batch, tally)
            self._hooks.reached("embedded")
            with tally.timed("write"):
                self._kb.upsert(documents)
                self._acknowledge([item.id for item in documents], {d.id: d.fingerprint for d in documents})
            self._hooks.reached("written")
            tally.add(embedded=len(documents), chunks=sum(len(document.chunks) for document in documents))

        # The knowledge base is the ledger, so inside a window the order is free: texts of one length share a batch.
        for batch in _text_batches(sorted(changes.content, key=lambda change: len(change.record.text))):
            self._hooks.boundary()
            rejects += _isolated(batch, write, lambda change: change.record.document_id)
            tally.add(records_read=len(batch))
            self._hooks.progress(tally)
        return rejects

    def _documents(self, batch: Sequence[Change], tally: Tally) -> list[Document]:
        with tally.timed("split"):
            split = self._chunker.split([change.record.text for change in batch])
            texts = [text for chunks in split for text in chunks]
            limit = self._embedder.max_tokens
            cut = sum(max(0, count - limit) for count in self._embedder.count_tokens(texts))
        with tally.timed("embed"):
            vectors = self._embedder.embed(texts)
        tally.add(truncated_tokens=cut)
        rows = iter(vectors.tolist())
        return [
            Document(
                id=change.record.document_id,
                chunks=tuple(Chunk(text, tuple(next(rows))) for text in chunks),
                metadata=change.record.metadata,
                fingerprint=change.fingerprint,
            )
            for change, chunks in zip(batch, split, strict=True)
        ]

    def _acknowledge(self, ids: Sequence[str], expected: dict[str, Fingerprint] | dict[str, None]) -> None:
        """Ask the knowledge base itself whether it holds what was written, document by document."""
        held = self._kb.fingerprints(ids)
        missing = [id_ for id_ in ids if held.get(id_) != expected[id_]]
        if missing:
            raise TransientError(
                f"the knowledge base did not keep {len(missing)} of {len(ids)} documents, such as {missing[0]}"
            )


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
        and known.read_at is not None
        and current.clock - known.read_at < current.reread_after
    )


def _isolated(
    batch: Sequence[Item], write: Callable[[Sequence[Item]], None], name: Callable[[Item], str]
) -> list[Reject]:
    """Write a batch; where one of its items is at fault, halve it until that item stands alone (invariant 7)."""
    try:
        write(batch)
    except RecordError as error:
        if len(batch) == 1:
            return [Reject(key_of(name(batch[0])), error.message)]
        middle = len(batch) // 2
        return [*_isolated(batch[:middle], write, name), *_isolated(batch[middle:], write, name)]
    return []


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _text_batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Cut changes into batches that take a model about a second, so that a run can stop soon."""
    batch: list[Change] = []
    characters = 0
    for change in changes:
        length = len(change.record.text)
        if batch and (len(batch) == BATCH_DOCUMENTS or characters + length > BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(change)
        characters += length
    if batch:
        yield batch
