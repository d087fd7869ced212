"""A collection that writes to its mirror before it writes to Chroma."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from syncd.knowledge.chroma.mirror import Copy, Mirror, MirrorError, is_broken, remove_mirror
from syncd.model.record import Metadata

_PREFIX, _SUFFIX = "mirror-", ".sqlite3"
_IDS = 1000

LEAST_REMOVED = 500
"""Entries that have to be removed before an index counts as worn; in a small one, that many do no harm."""

Metadatas = Sequence[dict[str, Any]]
T = TypeVar("T")


class MirroredCollection:
    """Chroma's collection, with each change in the mirror first; whatever else it can do it does itself."""

    def __init__(self, collection: Any, mirror: Mirror) -> None:
        self._collection = collection
        self._mirror = mirror
        self._judged = (0, False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    def upsert(
        self, *, ids: list[str], embeddings: npt.NDArray[np.float32], documents: list[str], metadatas: Metadatas
    ) -> None:
        """Write whole entries; their metadata replaces what was there, None being what is taken away.

        What is there is taken out first: to move a vector costs Chroma's index many times what it costs to take one in.
        """
        copies = [
            Copy(*entry)
            for entry in zip(ids, documents, map(_present, metadatas), np.asarray(embeddings, np.float32), strict=True)
        ]
        with self._taken_out(ids), self._first(lambda: self._mirror.putting(copies)):
            self._collection.upsert(ids=ids, embeddings=embeddings, documents=documents, metadatas=metadatas)

    def update(self, *, ids: list[str], metadatas: Metadatas) -> None:
        """Replace metadata, as `upsert` does."""
        changes = list(zip(ids, map(_present, metadatas), strict=True))
        with self._first(lambda: self._mirror.updating(changes)):
            self._collection.update(ids=ids, metadatas=metadatas)

    def delete(self, *, ids: list[str]) -> None:
        """Remove entries."""
        with self._first(lambda: self._mirror.forgetting(ids)):
            self._collection.delete(ids=ids)

    def parts(self, document_ids: Sequence[str]) -> list[str] | None:
        """Return the ids of these documents' chunks after the first; None where Chroma itself has to be asked.

        Chroma reads all that it holds to answer that.
        """
        return self._mended(lambda: self._mirror.parts(document_ids))

    def is_worn(self) -> bool:
        """Tell whether more entries were removed than there are.

        Chroma never takes a removed vector out of its index, only out of its answers. The index grows with them, and
        among many there come to be vectors that no link leads to, so that no search finds them.
        """
        removed = self._mirror.removed()
        if removed != self._judged[0]:
            self._judged = (removed, removed >= LEAST_REMOVED and removed > self._mirror.count())
        return self._judged[1]

    def modify(self, **changes: Any) -> None:
        """Change the collection's name or metadata."""
        self._collection.modify(**changes)
        self._mirror.tell(self._collection.name, self._collection.metadata or {})

    @contextmanager
    def _taken_out(self, ids: Sequence[str]) -> Iterator[None]:
        """Remove those of these entries that are there, and put them back when the block fails."""
        held = self._mended(lambda: self._mirror.held(ids))
        try:
            for start in range(0, len(held), _IDS):
                self.delete(ids=list(held)[start : start + _IDS])
            yield
        except Exception:
            if former := [copy for copy in held.values() if copy is not None]:
                self._put_back(former)
            raise

    def _put_back(self, former: Sequence[Copy]) -> None:
        ids = [copy.id for copy in former]
        # What failed may have been written all the same, and Chroma would merge its metadata with the former ones.
        for start in range(0, len(ids), _IDS):
            self.delete(ids=ids[start : start + _IDS])
        with self._first(lambda: self._mirror.putting(former)):
            self._collection.upsert(
                ids=ids,
                embeddings=np.stack([copy.vector for copy in former]),
                documents=[copy.text for copy in former],
                metadatas=[dict(copy.metadata) for copy in former],
            )

    @contextmanager
    def _first(self, write: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        with ExitStack() as turn:
            self._mended(lambda: turn.enter_context(write()))
            yield

    def _mended(self, use: Callable[[], T]) -> T:
        """Use the mirror, and where its file turns out to be broken make it anew from the collection first."""
        try:
            return use()
        except MirrorError as error:
            if not is_broken(error):
                raise
            self._mirror.renew()
            reconcile(self._collection, self._mirror)
            return use()


class Mirrors:
    """The mirrors of a folder's collections, opened when they are first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[str, Mirror] = {}

    def of(self, collection: Any) -> MirroredCollection:
        """Give a collection its mirror, which then holds what the collection holds."""
        key = str(collection.id)
        if key not in self._opened:
            self._opened[key] = _sound(mirror_file(self._folder, key))
            reconcile(collection, self._opened[key])
        self._opened[key].tell(collection.name, collection.metadata or {})
        return MirroredCollection(collection, self._opened[key])

    def prune(self, collection_ids: Sequence[str]) -> None:
        """Remove the mirrors of all other collections, which are gone."""
        keep = {mirror_file(self._folder, one) for one in collection_ids}
        for file in mirror_files(self._folder):
            if file not in keep:
                remove_mirror(file)

    def close(self) -> None:
        """Let go of all files."""
        for mirror in self._opened.values():
            mirror.close()
        self._opened.clear()


def mirror_files(folder: Path) -> list[Path]:
    """Return the mirrors that lie in a folder, the one that was written last first."""
    return sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"), key=lambda file: file.stat().st_mtime, reverse=True)


def mirror_file(folder: Path, collection_id: str) -> Path:
    """Return where a collection's mirror lies."""
    return folder / f"{_PREFIX}{collection_id}{_SUFFIX}"


def _sound(file: Path) -> Mirror:
    """Open a mirror, and begin again where there is none or a broken one: what it lacks is read from the collection."""
    try:
        return Mirror(file)
    except MirrorError as error:
        if not is_broken(error):
            raise
        remove_mirror(file)
        return Mirror(file)


def reconcile(collection: Any, mirror: Mirror) -> None:
    """Make a mirror equal to a sound collection, reading no more of it than may differ."""
    _adopt(collection, mirror, mirror.doubtful())
    mirror.settle()
    if collection.count() != mirror.count():
        _adopt(collection, mirror, list(set(collection.get(include=[])["ids"]) ^ mirror.ids()))


def _adopt(collection: Any, mirror: Mirror, entry_ids: Sequence[str]) -> None:
    for start in range(0, len(entry_ids), _IDS):
        page = entry_ids[start : start + _IDS]
        held = collection.get(ids=page, include=["documents", "metadatas", "embeddings"])
        entries = zip(held["ids"], held["documents"], held["metadatas"], held["embeddings"], strict=True)
        mirror.adopt(page, [Copy(entry, text or "", values or {}, vector) for entry, text, values, vector in entries])


def _present(metadata: Metadata) -> Metadata:
    return {key: value for key, value in metadata.items() if value is not None}
