"""The classic bugs of keeping one thing in step with another, each put back by changing exactly one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from syncd import attempt, compare, pipeline, writer
from syncd.embed.checked import CheckedEmbedder
from syncd.errors import RecordError, TransientError
from syncd.knowledge.chroma import ChromaKnowledgeBase, knowledge_base, layout, lock
from syncd.knowledge.chroma.layout import Entry
from syncd.model import identity
from syncd.model.deletes import Deletes
from syncd.model.record import Fingerprint
from syncd.model.run import Checkpoint
from syncd.pipeline import Pipeline
from syncd.reconcile import rows as portions
from syncd.reconcile.orphans import Orphans
from syncd.source import open_table, postgresql, rows, sql
from syncd.source.cursor import Fence
from syncd.source.filter_type import NumberType
from syncd.source.open_table import OpenTable
from syncd.source.sql import SqlSource
from syncd.source.table import after, value_of
from syncd.state import fencing
from syncd.state.checkpoints import Checkpoints
from syncd.state.leases import Leases
from syncd.writer import Fault
from tests.sabotage import reading, syncing
from tests.sabotage.reading import Check


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug that can be put back.

    Args:
        says: what it does, in a sentence.
        owner, place: what is changed, and where in it.
        replacement: what is there instead; given what was there.
        check: notices it.
    """

    name: str
    says: str
    owner: Any
    place: str
    replacement: Callable[[Any], Any]
    check: Check


def _instead(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


# --- reading


def _strict_bound(_: Any) -> Any:
    def bounded(self: OpenTable, query: Any, lower: Any, *, keyed: bool = True) -> Any:
        return query if lower is None else query.where(self.source.filter > self.bind(lower))

    return bounded


def _fetching(page: Callable[[OpenTable, Any, Any], Any]) -> Callable[[Any], Any]:
    """Return another way of reading the next window."""

    def fetch(self: OpenTable, connection: Any, current: Any, position: Any, size: int) -> Any:
        query = self._bounded(self.select(), current.lower)
        query = query.where(self.source.filter <= value_of(self.source.filter, current.upper))
        return self.read(connection, page(self, query, position), size)

    return _instead(fetch)


def _ordered_by_filter_alone(self: OpenTable, query: Any, position: Any) -> Any:
    if position is not None:
        query = query.where(after(self._order, position))
    return query.order_by(self.source.filter)


def _by_offset(size: int) -> Callable[[OpenTable, Any, Any], Any]:
    read: dict[int, int] = {}

    def page(self: OpenTable, query: Any, position: Any) -> Any:
        read[id(self)] = 0 if position is None else read[id(self)] + size
        return query.order_by(*self._order).offset(read[id(self)])

    return page


def _blind_fence(_: Any) -> Any:
    def fence(self: Any, connection: Any) -> Fence:
        clock = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        return Fence(clock, clock)

    return fence


def _only_writers(activity: Any) -> Any:
    return sa.text(f"{activity.text} AND backend_xid IS NOT NULL")


def _unbounded(_: Any) -> Any:
    return lambda watermark, last, fence, kind: replace(watermark, value=last, seen=last)


def _last_windows_watermark(windows: Any) -> Any:
    def ahead(self: Any, current: Any) -> Any:
        every = list(windows(self, current))
        return iter([replace(window, watermark=every[-1].watermark) for window in every])

    return ahead


def _swallowing(windows: Any) -> Any:
    def quiet(self: Any, current: Any) -> Any:
        try:
            yield from windows(self, current)
        except TransientError:
            return

    return quiet


# --- comparing and writing


def _checkpoint_first(sync: Any) -> Any:
    def first(self: Pipeline, window: Any, tally: Any) -> Any:
        self._save(Checkpoint(window.watermark, self._meaning, self._kb.identity()), tally, (), ())
        return sync(self, window, tally)

    return first


def _writing(*order: str) -> Callable[[Any], Any]:
    """Return an upsert that does these three things in another order, or leaves one out."""

    def upsert(self: ChromaKnowledgeBase, documents: Any) -> None:
        entries = self._entries
        stored = entries.held([document.id for document in documents])
        wanted = {identity.chunk_id(document.id, n) for document in documents for n in range(len(document.chunks))}
        for step in order:
            if step == "parts":
                entries.write(entry for document in documents for entry in layout.parts(document, stored))
            elif step == "tail":
                entries.remove([entry for entry in stored if entry not in wanted])
            else:
                entries.write(layout.head(document, stored) for document in documents)

    return _instead(upsert)


def _under_another_name(upsert: Any) -> Any:
    def again(self: ChromaKnowledgeBase, documents: Any) -> None:
        held = self.fingerprints([document.id for document in documents])
        upsert(self, documents)
        upsert(self, [replace(one, id=f"{one.id}-{uuid4()}") for one in documents if one.id in held])

    return again


def _merged(_: Any) -> Any:
    def entry(entry_id: str, metadata: Any, stored: Any, chunk: Any) -> Entry:
        return Entry(entry_id, {key: value for key, value in metadata.items() if value is not None}, chunk)

    return entry


def _one_hash(fingerprint: Any) -> Any:
    def both(text: str, metadata: Any) -> Fingerprint:
        found: Fingerprint = fingerprint(text, metadata)
        return replace(found, content=found.content[:16] + found.metadata[:16])

    return both


def _keeping(what: str) -> Callable[[Any], Any]:
    """Return a comparison that leaves out one kind of finding."""
    return lambda compare_: lambda records, held: replace(compare_(records, held), **{what: ()})


def _whole_batch(_: Any) -> Any:
    def isolated(batch: Any, work: Any) -> Iterator[Any]:
        try:
            yield work(batch)
        except RecordError as error:
            yield from (Fault(item, error) for item in batch)

    return isolated


def _no_rejects(window: Any) -> Any:
    return lambda self, found, watermark, last: replace(window(self, found, watermark, last), rejects=())


# --- sweeping


def _without_a_second_look(_: Any) -> Any:
    def remove(self: Any) -> Iterator[frozenset[str]]:
        with self._listed() as (orphans, _, _):
            for ids in orphans:
                self._writer.remove(sorted(ids), frozenset(ids))
                yield frozenset(ids)

    return remove


class _NoLock:
    LOCK_EX = LOCK_NB = LOCK_SH = 0

    def flock(self, *_: Any) -> None:
        """Lock nothing."""


BUGS = [
    Bug(
        "strict lower bound",
        "The next pass reads rows above the watermark, not those that equal it.",
        OpenTable,
        "_bounded",
        _strict_bound,
        reading.a_row_that_equals_the_watermark_is_read,
    ),
    Bug(
        "keyset without the key",
        "The next window begins above the last filter value, past the rows that share it.",
        open_table,
        "after",
        lambda after: lambda columns, position: after(columns[:1], position[:1]),
        reading.equal_stamps_are_paged,
    ),
    Bug(
        "order without the key",
        "Rows of one stamp come in the order that the database happens to keep them in.",
        OpenTable,
        "fetch",
        _fetching(_ordered_by_filter_alone),
        reading.text_keys_are_paged,
    ),
    Bug(
        "offset paging",
        "Windows are counted off, so a deletion moves rows past the page that is read next.",
        OpenTable,
        "fetch",
        _fetching(_by_offset(3)),
        reading.rows_deleted_between_windows_hide_no_other,
    ),
    Bug(
        "no lookback",
        "A pass begins at the watermark, and what comes a little late below it is never read.",
        NumberType,
        "back",
        _instead(lambda self, value: value),
        reading.a_late_row_inside_the_lookback_is_read,
    ),
    Bug(
        "no fence",
        "The watermark passes rows of transactions that still run.",
        postgresql.PostgreSqlDialect,
        "fence",
        _blind_fence,
        reading.a_transaction_holds_the_watermark,
    ),
    Bug(
        "a fence of writers only",
        "Transactions that have not written yet do not hold the watermark.",
        postgresql,
        "_ACTIVITY",
        _only_writers,
        reading.a_transaction_holds_the_watermark,
    ),
    Bug(
        "numbers settle at once",
        "The largest number seen becomes the watermark while a smaller one may still be committed.",
        Fence,
        "settled",
        _instead(lambda self, watermark: [seen.value for seen in watermark.pending]),
        reading.sequence_values_that_commit_out_of_order_are_read,
    ),
    Bug(
        "the future counts",
        "A row stamped 9999 moves the watermark there.",
        sql,
        "advance",
        _unbounded,
        reading.a_row_from_the_future_poisons_nothing,
    ),
    Bug(
        "any order will do",
        "Rows that come out of order are taken as they come.",
        OpenTable,
        "check_order",
        _instead(lambda self, found: None),
        reading.rows_out_of_order_are_refused,
    ),
    Bug(
        "keys joined by a comma",
        "The values of a composite key are put together as they are.",
        identity,
        "encode_key_value",
        _instead(str),
        reading.keys_that_read_alike_stay_apart,
    ),
    Bug(
        "checkpoint before acknowledgement",
        "The watermark is saved, then the rows are written.",
        Pipeline,
        "_sync",
        _checkpoint_first,
        syncing.a_cut_before_anything_is_written_loses_nothing,
    ),
    Bug(
        "checkpoint of the whole pass",
        "The first window commits where the last one will end.",
        SqlSource,
        "windows",
        _last_windows_watermark,
        syncing.a_cut_between_windows_loses_nothing,
    ),
    Bug(
        "an error is an end",
        "A read that breaks off counts as one that came to the end.",
        SqlSource,
        "windows",
        _swallowing,
        syncing.a_source_that_breaks_off_is_no_end_of_data,
    ),
    Bug(
        "mark first",
        "The chunk that says that a document is whole is written before the others.",
        ChromaKnowledgeBase,
        "upsert",
        _writing("head", "parts", "tail"),
        syncing.a_write_cut_off_anywhere_is_noticed,
    ),
    Bug(
        "the old mark stays",
        "While chunks of a new version are written, the first one goes on to speak for the old version.",
        knowledge_base,
        "doubts",
        _instead(lambda sizes, stored, text_stays: iter(())),
        syncing.a_row_that_becomes_what_it_was_after_a_cut_is_whole,
    ),
    Bug(
        "tail last",
        "Surplus chunks go after the mark, and stay when the process ends between.",
        ChromaKnowledgeBase,
        "upsert",
        _writing("parts", "head", "tail"),
        syncing.a_write_cut_off_anywhere_is_noticed,
    ),
    Bug(
        "no tail delete",
        "A text that shrinks leaves its old chunks behind.",
        ChromaKnowledgeBase,
        "upsert",
        _writing("parts", "head"),
        syncing.a_text_that_shrinks_leaves_no_tail,
    ),
    Bug(
        "not read back",
        "Whatever the store did not refuse counts as kept.",
        writer.Writer,
        "_acknowledge",
        _instead(lambda self, expected: None),
        syncing.a_store_that_drops_writes_is_noticed,
    ),
    Bug(
        "a new id for each write",
        "What is written a second time stands beside the first.",
        ChromaKnowledgeBase,
        "upsert",
        _under_another_name,
        syncing.a_write_whose_answer_was_lost_is_repeated_in_place,
    ),
    Bug(
        "metadata merged",
        "A value that became NULL is left out of the write, and the store keeps the old one.",
        layout,
        "_entry",
        _merged,
        syncing.metadata_that_becomes_null_is_gone,
    ),
    Bug(
        "embed everything that is read",
        "Rows are not compared with what is held.",
        pipeline,
        "compare",
        lambda compare_: lambda records, held: compare_(records, {}),
        syncing.what_does_not_change_costs_no_embedding,
    ),
    Bug(
        "one hash for text and metadata",
        "A change of metadata looks like a change of the text.",
        compare,
        "fingerprint",
        _one_hash,
        syncing.what_does_not_change_costs_no_embedding,
    ),
    Bug(
        "removals ignored",
        "Rows that are deleted, filtered out or empty keep their documents.",
        pipeline,
        "compare",
        _keeping("gone"),
        syncing.marked_filtered_and_empty_rows_leave_nothing,
    ),
    Bug(
        "marks not read",
        "A row that is marked as deleted is one like any other.",
        rows,
        "_is_marked",
        _instead(lambda value: False),
        syncing.marked_filtered_and_empty_rows_leave_nothing,
    ),
    Bug(
        "dead letters swallowed",
        "A row that cannot be read is passed over in silence.",
        OpenTable,
        "window",
        _no_rejects,
        syncing.a_row_that_cannot_be_synced_is_a_dead_letter,
    ),
    Bug(
        "the batch goes with the row",
        "All rows of a batch are given up with the one that is at fault.",
        writer,
        "isolated",
        _whole_batch,
        syncing.a_vector_that_is_not_finite_is_a_dead_letter,
    ),
    Bug(
        "any vector will do",
        "Vectors that are not numbers are written.",
        CheckedEmbedder,
        "embed",
        _instead(lambda self, texts: self._embedder.embed(texts)),
        syncing.a_vector_that_is_not_finite_is_a_dead_letter,
    ),
    Bug(
        "a glance is trusted for ever",
        "A table that looks as before is not read again, however long ago it was read.",
        pipeline,
        "_is_idle",
        _instead(lambda known, current: known.glance == current.glance),
        syncing.rows_that_change_places_are_read_after_a_while,
    ),
    Bug(
        "any knowledge base will do",
        "A watermark is believed whatever knowledge base is there.",
        attempt,
        "mismatch",
        _instead(lambda checkpoint, meaning, identity: None),
        syncing.a_wiped_knowledge_base_is_filled_again,
    ),
    Bug(
        "any copy will do",
        "A watermark is believed beside an older copy of its knowledge base.",
        Checkpoints,
        "newest_epoch",
        _instead(lambda self, kb_uuid: 0),
        syncing.an_older_copy_of_a_knowledge_base_is_mended,
    ),
    Bug(
        "fencing token ignored",
        "Who has lost the lease goes on committing.",
        fencing,
        "prove",
        _instead(lambda connection, lease: None),
        syncing.who_lost_the_lease_commits_nothing,
    ),
    Bug(
        "running for ever",
        "A run whose process died keeps its job.",
        Leases,
        "recover",
        _instead(lambda self, now, alive: []),
        syncing.a_run_whose_process_died_is_ended,
    ),
    Bug(
        "no lock",
        "Two processes write into one embedded store.",
        lock,
        "fcntl",
        _instead(_NoLock()),
        syncing.a_second_owner_is_refused,
    ),
    Bug(
        "a sweep that compares keys only",
        "What differs under its old filter value stays as it was.",
        portions,
        "compare",
        _keeping("content"),
        syncing.a_sweep_removes_what_has_no_row_and_syncs_what_differs,
    ),
    Bug(
        "orphans without a second look",
        "A row that came back during the sweep loses its document.",
        Orphans,
        "remove",
        _without_a_second_look,
        syncing.a_row_that_comes_back_keeps_its_document,
    ),
    Bug(
        "no guard",
        "An emptied table empties the knowledge base.",
        Deletes,
        "is_too_many",
        _instead(lambda self, orphans, documents: False),
        syncing.an_emptied_table_empties_nothing,
    ),
]
