"""Brings documents in step with portions of rows that no pass has read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from syncd.compare import compare
from syncd.model.identity import decode_key, document_prefix, key_of
from syncd.model.record import Reach, Record, Reject, Standing
from syncd.model.run import Checkpoint
from syncd.pipeline import Commit
from syncd.ports import KnowledgeBase, Source
from syncd.tally import Hooks, Tally
from syncd.writer import Writer

PORTION = 500


class Rows:
    """Does with a portion of rows what a run would, whatever the watermark says, and leaves the watermark where it is.

    Args:
        source, knowledge_base: the parts, open.
        writer: brings the documents to what the rows say.
        commit: saves counts and rows that failed.
        dead_keys: the keys that are in the job's dead letters now.
    """

    def __init__(
        self,
        source: Source,
        knowledge_base: KnowledgeBase,
        writer: Writer,
        *,
        commit: Commit,
        dead_keys: Collection[str],
        hooks: Hooks,
    ) -> None:
        self._source = source
        self._kb = knowledge_base
        self._writer = writer
        self._commit = commit
        self._dead_keys = frozenset(dead_keys)
        self._hooks = hooks

    def sync(self, portion: Sequence[Standing], checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        """Sync rows, and return the checkpoint with the knowledge base's identity after that."""
        unread = [standing.row for standing in portion if isinstance(standing.row, Reject)]
        self._hooks.flood.read(len(portion))
        self._hooks.flood.reject(unread)
        records = [standing.row for standing in portion if isinstance(standing.row, Record)]
        with tally.timed("compare"):
            held = self._kb.fingerprints([record.document_id for record in records])
            left_out = {
                standing.row.document_id
                for standing in portion
                if standing.reach is Reach.LEFT_OUT
                and isinstance(standing.row, Record)
                and standing.row.document_id not in held
            }
            changes = compare([record for record in records if record.document_id not in left_out], held)
        self._writer.count(len(unread) + len(left_out))
        rejects = [*unread, *self._writer.apply(changes)]
        settled = {key_of(record.document_id) for record in records} - {reject.key for reject in rejects}
        return self._save(changes.empty, checkpoint, tally, rejects, settled)

    def remove(self, ids: Collection[str], checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        """Remove documents whose rows are not there, looking once more just before; return as `sync`."""
        gone = frozenset(ids) - self._source.present(sorted(ids))
        self._writer.remove(sorted(gone), gone)
        return self.resolve({key_of(id_) for id_ in gone}, checkpoint, tally, same=not gone)

    def resolve(self, keys: Collection[str], checkpoint: Checkpoint, tally: Tally, *, same: bool = True) -> Checkpoint:
        """Forget the dead letters of rows that are gone, since there is nothing to mend; return as `sync`."""
        return self._save(same, checkpoint, tally, (), keys)

    def _save(
        self, same: bool, checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], settled: Collection[str]
    ) -> Checkpoint:
        resolved = sorted(self._dead_keys.intersection(settled))
        tally.add(dead_lettered=len(rejects))
        if same and not (rejects or resolved):
            return checkpoint
        if not same:
            checkpoint = replace(checkpoint, identity=self._kb.advance())
        self._hooks.reached("commit")
        with tally.timed("commit"):
            self._commit(checkpoint, tally, rejects, resolved)
        self._hooks.reached("committed")
        return checkpoint


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
