"""Sorts the rows of a window by what the knowledge base already holds, so that nothing is embedded twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.model.fingerprint import fingerprint
from syncd.model.record import Fingerprint, MetadataUpdate, Record


@dataclass(frozen=True, slots=True)
class Change:
    """A record whose text has to be embedded.

    Args:
        fingerprint: what its document will carry.
        new: whether no whole document is held for it yet.
    """

    record: Record
    fingerprint: Fingerprint
    new: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has to be done for a window.

    Args:
        content: records that are new or whose text changed.
        metadata: documents whose text is unchanged and whose metadata is not.
        gone: ids of documents whose row is deleted, filtered out, or has no text. They are removed whether they are
            held or not, because a write or a removal that was cut off may have left chunks that no document owns.
        held: those of them that are held.
        unchanged: how many records need nothing.
    """

    content: tuple[Change, ...]
    metadata: tuple[MetadataUpdate, ...]
    gone: tuple[str, ...]
    held: frozenset[str]
    unchanged: int

    @property
    def empty(self) -> bool:
        """Whether the knowledge base stays as it is."""
        return not (self.content or self.metadata or self.held)


def compare(records: Iterable[Record], held: Mapping[str, Fingerprint]) -> Comparison:
    """Compare records with the fingerprints that the knowledge base holds for them."""
    content: list[Change] = []
    metadata: list[MetadataUpdate] = []
    gone: list[str] = []
    unchanged = 0
    for record in records:
        old = held.get(record.document_id)
        if record.removed or not record.text:
            gone.append(record.document_id)
            continue
        new = fingerprint(record.text, record.metadata)
        if old is None or old.content != new.content:
            content.append(Change(record, new, old is None))
        elif old.metadata != new.metadata:
            metadata.append(MetadataUpdate(record.document_id, record.metadata, new))
        else:
            unchanged += 1
    return Comparison(tuple(content), tuple(metadata), tuple(gone), frozenset(gone) & held.keys(), unchanged)
