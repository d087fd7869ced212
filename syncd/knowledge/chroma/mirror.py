"""A second copy of what a collection holds, in a file that neither a kill nor a power loss can tear.

Chroma keeps vectors in files that it overwrites in place and never syncs to disk, and soon drops them from its log. So
each entry is first written here, text, metadata and vector, in a SQLite file for each collection, beside Chroma's own.
A damaged store is filled from here; a document that is not certain here is left out, and embedded again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from syncd.knowledge.chroma.layout import mark_of
from syncd.model.identity import chunk_id, document_of
from syncd.model.record import Metadata

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    document TEXT NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL, seal BLOB NOT NULL,
    text TEXT NOT NULL, metadata TEXT NOT NULL, vector BLOB NOT NULL, UNIQUE (document, number)
);
CREATE TABLE IF NOT EXISTS turns (turn INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS about (name TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS removals (count INTEGER NOT NULL);
INSERT INTO removals SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM removals);
"""

_PUT = """
INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (document, number) DO UPDATE SET
    turn = excluded.turn, seal = excluded.seal, text = excluded.text, metadata = excluded.metadata,
    vector = excluded.vector
"""
_FORGET = "DELETE FROM entries WHERE document = ? AND number = ?"
_ONE = "SELECT * FROM entries WHERE document = ? AND number = ?"
_SOME = "SELECT entries.* FROM json_each(?) JOIN entries ON document = value ->> 0 AND number = value ->> 1"
_PARTS = "SELECT document, number FROM json_each(?) JOIN entries ON document = value AND number > 0"
_ALL = "SELECT * FROM entries"
_IN_ORDER = "SELECT * FROM entries ORDER BY document, number"
_DOUBTFUL = """
SELECT document, number FROM entries WHERE EXISTS (SELECT 1 FROM turns) AND turn IN (SELECT turn FROM turns)
"""
_SEEN = """
SELECT name, metadata, (SELECT count(*) FROM entries) FROM about WHERE NOT EXISTS (SELECT 1 FROM turns)
"""

MirrorError = sqlite3.Error
"""What a mirror raises when its file is broken or out of reach."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One entry of a collection, whole."""

    id: str
    text: str
    metadata: Metadata
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Row:
    document: str
    number: int
    turn: int
    certain: bool
    copy: Copy


class Mirror:
    """The second copy of one collection; several threads may use it.

    A turn is one call that changes the collection. It is open from before the call until the collection has answered;
    what an open turn changed may have reached the collection or not.

    Args:
        file: where it lies; made when it is missing.

    Raises:
        MirrorError: the file is broken, or out of reach.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._database = _database(file)

    def renew(self) -> None:
        """Begin again, with an empty file."""
        with self._lock:
            with suppress(sqlite3.Error):
                self._database.close()
            remove_mirror(self._file)
            self._database = _database(self._file)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def about(self) -> tuple[str, dict[str, Any]] | None:
        """Return the collection's name and metadata as they were last told."""
        row = self._database.execute("SELECT name, metadata FROM about").fetchone()
        return None if row is None else (row[0], json.loads(row[1]))

    def tell(self, name: str, metadata: Metadata) -> None:
        """Keep the collection's name and metadata."""
        with self._lock:
            if self.about() == (name, dict(metadata)):
                return
            with self._database:
                self._database.execute("DELETE FROM about")
                self._database.execute("INSERT INTO about VALUES (?, ?)", (name, json.dumps(dict(metadata))))

    @contextmanager
    def putting(self, copies: Sequence[Copy]) -> Iterator[None]:
        """Write these entries durably, before the block writes them to the collection."""
        with self._turn(lambda turn: self._put((copy, turn) for copy in copies)):
            yield

    @contextmanager
    def updating(self, metadatas: Sequence[tuple[str, Metadata]]) -> Iterator[None]:
        """Replace the metadata of these entries durably, before the block does so in the collection."""

        def update(turn: int) -> None:
            for entry, metadata in metadatas:
                for row in list(self._rows(_ONE, _split(entry))):
                    if row.certain:
                        self._put([(Copy(entry, row.copy.text, metadata, row.copy.vector), turn)])
                    else:
                        # The collection may hold another text, which nothing that is kept here may be taken for.
                        self._forget([entry])

        with self._turn(update):
            yield

    @contextmanager
    def forgetting(self, entry_ids: Sequence[str]) -> Iterator[None]:
        """Remove these entries durably, before the block removes them from the collection."""

        def forget(_: int) -> None:
            self._forget(entry_ids)
            self._database.execute("UPDATE removals SET count = count + ?", (len(entry_ids),))

        with self._turn(forget):
            yield

    def doubtful(self) -> list[str]:
        """Return the ids of the entries that open turns wrote."""
        return [chunk_id(*row) for row in self._database.execute(_DOUBTFUL)]

    def adopt(self, entry_ids: Sequence[str], held: Iterable[Copy]) -> None:
        """Take over what the collection holds under these ids; an entry that was here keeps its turn."""
        with self._lock, self._database:
            turns = {entry: row.turn for entry in entry_ids for row in self._rows(_ONE, _split(entry))}
            self._forget(entry_ids)
            self._put((copy, turns.get(copy.id, 0)) for copy in held)

    def settle(self) -> None:
        """Close all turns: what they wrote has been compared with the collection."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM turns")

    def ids(self) -> set[str]:
        """Return the ids of all entries."""
        return {chunk_id(*row) for row in self._database.execute("SELECT document, number FROM entries")}

    def held(self, entry_ids: Sequence[str]) -> dict[str, Copy | None]:
        """Return those of these entries that are here; None for one of which the collection may hold something else."""
        with self._lock:
            rows = self._rows(_SOME, (json.dumps([_split(entry) for entry in entry_ids]),))
            return {row.copy.id: row.copy if row.certain else None for row in rows}

    def count(self) -> int:
        """Count the entries."""
        return int(self._database.execute("SELECT count(*) FROM entries").fetchone()[0])

    def parts(self, document_ids: Sequence[str]) -> list[str] | None:
        """Return the ids of these documents' chunks after the first; None while the collection may hold others."""
        with self._lock:
            if self._database.execute("SELECT 1 FROM turns").fetchone():
                return None
            return [chunk_id(*row) for row in self._database.execute(_PARTS, (json.dumps(list(document_ids)),))]

    def removed(self) -> int:
        """Count the entries that were ever removed."""
        return int(self._database.execute("SELECT count FROM removals").fetchone()[0])

    def certain(self) -> Iterator[Copy]:
        """Return the entries that the collection is known to hold just like this."""
        return (row.copy for row in self._rows(_ALL) if row.certain)

    def documents(self) -> Iterator[list[Copy] | None]:
        """Return each document's chunks; None for one of which something is missing, uncertain or of another version.

        Raises:
            MirrorError: the file is broken; what was returned before stands.
        """
        for _, rows in groupby(self._rows(_IN_ORDER), lambda row: row.document):
            chunks = list(rows)
            yield [chunk.copy for chunk in chunks] if _is_whole(chunks) else None

    @contextmanager
    def _turn(self, change: Callable[[int], None]) -> Iterator[None]:
        with self._lock:
            self._database.execute("PRAGMA synchronous = FULL")
            with self._database:
                turn = self._database.execute("INSERT INTO turns DEFAULT VALUES").lastrowid
                assert turn is not None
                change(turn)
            yield
            # A power loss may take this back, and leave in doubt what is certain.
            self._database.execute("PRAGMA synchronous = NORMAL")
            with self._database:
                self._database.execute("DELETE FROM turns WHERE turn = ?", (turn,))

    def _put(self, copies: Iterable[tuple[Copy, int]]) -> None:
        self._database.executemany(_PUT, (_packed(copy, turn) for copy, turn in copies))

    def _forget(self, entry_ids: Sequence[str]) -> None:
        self._database.executemany(_FORGET, map(_split, entry_ids))

    def _rows(self, question: str, values: tuple[str, int] | tuple[str] | tuple[()] = ()) -> Iterator[_Row]:
        opened = {turn for (turn,) in self._database.execute("SELECT turn FROM turns")}
        for document, number, turn, seal, text, metadata, vector in self._database.execute(question, values):
            entry = chunk_id(document, number)
            copy = Copy(entry, text, json.loads(metadata), np.frombuffer(vector, np.float32))
            certain = turn not in opened and seal == _seal(entry, text, metadata, vector)
            yield _Row(document, number, turn, certain, copy)


def is_broken(error: MirrorError) -> bool:
    """Tell whether an error means that the file is no sound database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def look(file: Path) -> tuple[str, dict[str, Any], int] | None:
    """Return a collection's name and metadata, and how many entries it holds, as its mirror says.

    Args:
        file: a mirror that nobody has open; it stays as it is, and no file is made beside it.

    Returns:
        None where it does not know one of them.

    Raises:
        MirrorError: the file is broken, or out of reach.
    """
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as database:
        row = database.execute(_SEEN).fetchone()
    return None if row is None else (row[0], json.loads(row[1]), row[2])


def remove_mirror(file: Path) -> None:
    """Remove a mirror that nobody has open."""
    for part in (file, *(file.with_name(file.name + end) for end in ("-wal", "-journal", "-shm"))):
        part.unlink(missing_ok=True)


def _database(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, check_same_thread=False)
    try:
        # One process owns the folder, so that no file has to be shared; `FULL` is set where it matters.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        # An entry takes 2 KB and more: on SQLite's own pages of 4 KB half of the file would be empty.
        database.execute("PRAGMA page_size = 32768")
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _is_whole(rows: Sequence[_Row]) -> bool:
    """Chunk 0 is written last: a chunk of a later turn belongs to a version that was never completed."""
    head = rows[0]
    mark = mark_of(head.copy.metadata)
    return (
        mark is not None
        and [row.number for row in rows] == list(range(mark.chunks))
        and all(row.certain and row.turn <= head.turn for row in rows)
    )


def _packed(copy: Copy, turn: int) -> tuple[str, int, int, bytes, str, str, bytes]:
    metadata = json.dumps(dict(copy.metadata), ensure_ascii=False)
    vector = np.asarray(copy.vector, np.float32).tobytes()
    return *_split(copy.id), turn, _seal(copy.id, copy.text, metadata, vector), copy.text, metadata, vector


def _seal(entry: str, text: str, metadata: str, vector: bytes) -> bytes:
    """Bind an entry's parts together, so that nothing but what was written as one is ever taken for one."""
    digest = hashlib.blake2b(vector, digest_size=16)
    for part in (entry, text, metadata):
        encoded = part.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.digest()


def _split(entry: str) -> tuple[str, int]:
    return document_of(entry), int(entry.rpartition("#")[2])
