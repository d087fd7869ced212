"""Brings documents of a knowledge base to what records say: removes, updates, splits, embeds, writes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, Literal, TypeVar

from syncd.ahead import made_ahead
from syncd.compare import Change, Comparison
from syncd.errors import RecordError, TransientError
from syncd.model.identity import key_of
from syncd.model.record import Chunk, Document, Fingerprint, MetadataUpdate, Reject
from syncd.pace import Pace
from syncd.ports import Chunker, Embedder, KnowledgeBase
from syncd.tally import Hooks, Tally

WRITE_DOCUMENTS = 1_000
MADE_AT_ONCE = 3
"""Batches of documents. While one is written, an embedded Chroma keeps Python from running most of the time: the next
ones have to be with the model by then."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Recall = Callable[[Mapping[str, str]], Mapping[str, tuple[Chunk, ...]]]
"""Finds chunks that need not be embedded again, for documents and the hashes of their texts; see `syncd.recall`."""


@dataclass(frozen=True, slots=True)
class Fault(Generic[Item]):
    """An item that alone is at fault, and why."""

    item: Item
    error: RecordError


@dataclass(frozen=True, slots=True)
class _Ready:
    """A document that can be written.

    Args:
        new: whether no whole document is held for its record yet.
        recalled: whether its vectors were there already.
    """

    document: Document
    new: bool
    recalled: bool


class Writer:
    """Does what a comparison found, and returns only when the knowledge base has acknowledged it.

    Args:
        chunker, embedder, knowledge_base: the parts, open.
        hooks: asked between batches whether to go on.
        tally: counts what is done.
        rows: what a row that is done counts as.
        recall: finds chunks that need not be embedded again.
    """

    def __init__(
        self,
        chunker: Chunker,
        embedder: Embedder,
        knowledge_base: KnowledgeBase,
        hooks: Hooks,
        tally: Tally,
        rows: Literal["records_read", "swept"] = "records_read",
        recall: Recall = lambda contents: {},
    ) -> None:
        self._chunker = chunker
        self._embedder = embedder
        self._kb = knowledge_base
        self._hooks = hooks
        self._tally = tally
        self._rows = rows
        self._recall = recall
        self._pace = Pace[Change](lambda change: len(change.record.text))

    def apply(self, changes: Comparison) -> list[Reject]:
        """Bring the knowledge base to what a comparison found, and return the rows that cannot be brought there.

        Raises:
            PermanentError: too many rows cannot be brought there; see `FloodGuard`.
            SyncError: as the parts raise; what was written stays, and is found unchanged when it is compared again.
        """
        self.count(changes.unchanged, unchanged=changes.unchanged)
        self.remove(changes.gone, changes.held)
        return [*self._update(changes.metadata), *self._embed(changes.content)]

    def remove(self, document_ids: Sequence[str], held: frozenset[str]) -> None:
        """Remove documents.

        Args:
            held: those of them that are held, and count as deleted.
        """
        for ids in _batches(document_ids, WRITE_DOCUMENTS):
            self._hooks.boundary()
            with self._tally.timed("write"):
                self._kb.delete(ids)
                self._acknowledge(dict.fromkeys(ids))
            deleted = len(held.intersection(ids))
            self._tally.add(deleted=deleted)
            self.count(len(ids), unchanged=len(ids) - deleted)
            self._hooks.reached("removed")

    def _update(self, updates: Sequence[MetadataUpdate]) -> list[Reject]:
        rejects: list[Reject] = []

        def write(batch: Sequence[MetadataUpdate]) -> None:
            with self._tally.timed("write"):
                self._kb.update_metadata(batch)
                self._acknowledge({update.id: update.fingerprint for update in batch})
            self._tally.add(metadata_updated=len(batch))
            self._hooks.reached("updated")

        for batch in _batches(updates, WRITE_DOCUMENTS):
            self._hooks.boundary()
            rejects += self.write_each(batch, write, lambda update: update.id)
            self.count(len(batch))
        return rejects

    def _embed(self, changes: Sequence[Change]) -> list[Reject]:
        rejects: list[Reject] = []

        def write(ready: Sequence[_Ready]) -> None:
            self.write([one.document for one in ready])
            made = [one for one in ready if not one.recalled]
            self._tally.add(
                embedded=len(made),
                recalled=len(ready) - len(made),
                inserted=sum(1 for one in ready if one.new),
                chunks=sum(len(one.document.chunks) for one in made),
            )

        # The knowledge base is the ledger, so inside a window the order is free: texts of one length share a batch.
        by_length = sorted(changes, key=lambda change: (len(change.record.text), change.record.text))

        def outcomes(batch: Sequence[Change]) -> list[Sequence[_Ready] | Reject]:
            self._hooks.boundary()
            with self._pace.timed(batch):
                # A flood is noticed here, before all of a batch's rows are tried one by one.
                return [
                    self._rejected(outcome.item.record.document_id, outcome.error)
                    if isinstance(outcome, Fault)
                    else outcome
                    for outcome in isolated(batch, self._made)
                ]

        with made_ahead(outcomes, self._pace.batches(by_length), MADE_AT_ONCE) as made:
            for outcome in chain.from_iterable(made):
                match outcome:
                    case Reject():
                        rejects.append(outcome)
                        self.count(1)
                    case ready:
                        rejects += self.write_each(ready, write, lambda one: one.document.id)
                        self.count(len(ready))
        return rejects

    def _made(self, batch: Sequence[Change]) -> list[_Ready]:
        with self._tally.timed("compare"):
            known = self._recall({one.record.document_id: one.fingerprint.content for one in batch})
        made = self._chunks([one for one in batch if one.record.document_id not in known])
        self._hooks.reached("embedded")
        return [_ready(one, {**known, **made}, known) for one in batch]

    def write(self, documents: Sequence[Document]) -> None:
        """Write whole documents."""
        with self._tally.timed("write"):
            self._kb.upsert(documents)
            self._acknowledge({document.id: document.fingerprint for document in documents})
        self._hooks.reached("written")

    def embed(self, texts: Sequence[str]) -> Iterator[tuple[float, ...]]:
        """Return the vector of each of these chunks. Raises as `Embedder.embed`."""
        limit = self._embedder.max_tokens
        with self._tally.timed("split"):
            cut = sum(max(0, count - limit) for count in self._embedder.count_tokens(texts))
        with self._tally.timed("embed"):
            vectors = self._embedder.embed(texts)
        self._tally.add(truncated_tokens=cut)
        return map(tuple, vectors.tolist())

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the chunks of each text."""
        with self._tally.timed("split"):
            return self._chunker.split(texts)

    def _chunks(self, changes: Sequence[Change]) -> dict[str, tuple[Chunk, ...]]:
        """Split and embed, and return the chunks of each document."""
        if not changes:
            return {}
        split = self.split([change.record.text for change in changes])
        vectors = self.embed([text for chunks in split for text in chunks])
        return {
            change.record.document_id: tuple(Chunk(text, next(vectors)) for text in chunks)
            for change, chunks in zip(changes, split, strict=True)
        }

    def _acknowledge(self, expected: Mapping[str, Fingerprint | None]) -> None:
        """Ask the knowledge base itself whether it holds what was written, document by document."""
        ids = list(expected)
        held = self._kb.fingerprints(ids)
        missing = [id_ for id_ in ids if held.get(id_) != expected[id_]]
        if missing:
            raise TransientError(
                f"the knowledge base did not keep {len(missing)} of {len(ids)} documents, such as {missing[0]}"
            )

    def write_each(
        self, batch: Sequence[Item], write: Callable[[Sequence[Item]], None], name: Callable[[Item], str]
    ) -> list[Reject]:
        """Write a batch but for those of its items that are at fault, and return these.

        Args:
            write: writes some items; raises RecordError where one of them is at fault.
            name: returns the id of an item's document.

        Raises:
            PermanentError: too many of the run's rows are at fault; see `FloodGuard`.
        """
        return [
            self._rejected(name(outcome.item), outcome.error)
            for outcome in isolated(batch, write)
            if isinstance(outcome, Fault)
        ]

    def _rejected(self, document_id: str, error: RecordError) -> Reject:
        reject = Reject(key_of(document_id), error.message)
        self._hooks.flood.reject([reject])
        return reject

    def count(self, rows: int, unchanged: int = 0) -> None:
        """Count rows that are done."""
        self._tally.add(**{self._rows: rows}, unchanged=unchanged if self._rows == "records_read" else 0)
        self._hooks.progress(self._tally)


def _ready(change: Change, chunks: Mapping[str, tuple[Chunk, ...]], known: Container[str]) -> _Ready:
    record = change.record
    document = Document(record.document_id, chunks[record.document_id], record.metadata, change.fingerprint)
    return _Ready(document, change.new, record.document_id in known)


def isolated(batch: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> Iterator[Result | Fault[Item]]:
    """Do work on a batch, and yield its results, and the items that alone are at fault (invariant 7).

    What fails is halved, and what succeeds is followed by twice as much, so that the work stays in proportion to the
    batch, whether one of its items is at fault or all of them.
    """
    left, size = batch, len(batch)
    while left:
        part = left[:size]
        try:
            result = work(part)
        except RecordError as error:
            if len(part) > 1:
                size = len(part) // 2
                continue
            yield Fault(left[0], error)
            left = left[1:]
        else:
            yield result
            left, size = left[size:], 2 * size


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
