"""Random changes of the table, and what is known of it besides what it holds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from syncd.torture.table import LOOKBACK, Row, Table

MOST_ROWS = 180
MARK = "~"
"""Begins the first word of every body, and is nowhere else: it counts texts among chunks."""


@dataclass(slots=True)
class Held:
    """A transaction that commits late, or never."""

    connection: sa.Connection
    keys: set[int]
    rounds: int


@dataclass
class Changes:
    """Changes a table.

    Args:
        table: which.
        rng: chooses what.
        filtered: tells whether rows may come and go by their size.
    """

    table: Table
    rng: random.Random
    filtered: Callable[[], bool]
    done: Counter[str] = field(default_factory=Counter)
    late: int = 0
    texts: int = 0
    """How many texts there have been to embed, at most."""
    silent: set[int] = field(default_factory=set)
    """Rows that no pass can see: they changed without their filter column since the last sweep."""
    _keys: set[int] = field(default_factory=set)
    _gone: list[int] = field(default_factory=list)
    _held: list[Held] = field(default_factory=list)
    _version: int = 0

    def fill(self, rows: int) -> None:
        """Insert the first rows."""
        with self.table.transaction() as connection:
            self._insert(connection, range(1, rows + 1))

    def some(self, most: int) -> None:
        """Make a few changes, each in a transaction of its own."""
        for _ in range(self.rng.randint(1, most)):
            name = self.rng.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
            if _KINDS[name][1](self):
                self.done[name] += 1

    def settle(self, *, now: bool = False) -> None:
        """End held transactions whose time has come, or all of them now."""
        for held in list(self._held):
            held.rounds -= 1
            if now or held.rounds <= 0:
                self._held.remove(held)
                self._end(held)

    def release(self) -> None:
        """Roll back what is held."""
        for held in self._held:
            held.connection.close()

    def newest(self) -> None:
        """Insert one row, so that a run has something to read."""
        with self.table.transaction() as connection:
            self._insert(connection, [self._new_key()])

    def _end(self, held: Held) -> None:
        with held.connection as connection:
            if self.rng.random() < 0.25:
                connection.rollback()
                self.done["rolled back"] += 1
                self._keys -= held.keys - set(self.table.rows())
                return
            connection.commit()
        self.late += 1
        self.texts += len(held.keys)
        self.silent -= held.keys

    def _insert(self, connection: sa.Connection, keys: Any, back: int = 0) -> None:
        rows = [self._row(key) for key in keys]
        self.table.insert(connection, rows, back)
        self._keys |= {row["id"] for row in rows}
        self.silent -= {row["id"] for row in rows}
        self.texts += len(rows)

    def _row(self, key: int) -> Row:
        rng = self.rng
        tag = rng.choice((None, "red", "green", "blue"))
        return {"id": key, "title": self._words(2), "body": self._body(key), "tag": tag, "size": rng.randint(0, 99)}

    def _body(self, key: int, most: int = 40) -> str:
        self._version += 1
        return f"{MARK}{key}v{self._version} {self._words(self.rng.randint(1, most))}"

    def _words(self, count: int) -> str:
        return " ".join(f"{self.rng.getrandbits(32):08x}" for _ in range(count))

    def _new_key(self) -> int:
        return max(self._keys | set(self._gone) | {key for held in self._held for key in held.keys}, default=0) + 1

    def _free(self) -> int | None:
        """Choose a row that no held transaction has locked."""
        free = sorted(self._keys - {key for held in self._held for key in held.keys})
        return self.rng.choice(free) if free else None

    def _change(self, *, silent: bool = False, back: int = 0, **values: Any) -> bool:
        key = self._free()
        if key is None:
            return False
        made = {name: value(key) if callable(value) else value for name, value in values.items()}
        with self.table.transaction() as connection:
            self.table.update(connection, key, silent=silent, back=back, **made)
        (self.silent.add if silent else self.silent.discard)(key)
        self.texts += "body" in made or ("size" in made and self.filtered())
        return True

    def insert(self) -> bool:
        if len(self._keys) > MOST_ROWS:
            return self.delete()
        with self.table.transaction() as connection:
            self._insert(connection, [self._new_key()])
        return True

    def late_row(self) -> bool:
        """A row whose stamp is older than those around it, within the lookback."""
        if not self.table.counts or len(self._keys) > MOST_ROWS:
            return False
        with self.table.transaction() as connection:
            self._insert(connection, [self._new_key()], back=self.rng.randint(1, LOOKBACK))
        self.late += 1
        return True

    def content(self) -> bool:
        back = self.rng.randint(1, LOOKBACK) if self.table.counts and self.rng.random() < 0.2 else 0
        return self._change(body=self._body, title=lambda _: self._words(2), back=back)

    def metadata(self) -> bool:
        return self._change(tag=self.rng.choice((None, "red", "black")), size=self.rng.randint(0, 99))

    def shrink(self) -> bool:
        return self._change(body=lambda key: self._body(key, 3))

    def empty(self) -> bool:
        return self._change(body=self.rng.choice(("", " ", None)), title=None)

    def silent_content(self) -> bool:
        return self._change(silent=True, body=self._body)

    def silent_metadata(self) -> bool:
        return self._change(silent=True, tag=self.rng.choice((None, "white")))

    def delete(self) -> bool:
        key = self._free()
        if key is None or len(self._keys) < MOST_ROWS // 2:
            return False
        with self.table.transaction() as connection:
            self.table.delete(connection, key)
        self._keys.discard(key)
        self.silent.discard(key)
        self._gone.append(key)
        return True

    def reuse(self) -> bool:
        """Another row under the key of one that was deleted, now or long ago."""
        key = self._free()
        if key is None:
            return False
        with self.table.transaction() as connection:
            if self._gone and self.rng.random() < 0.5:
                key = self._gone.pop(self.rng.randrange(len(self._gone)))
            else:
                self.table.delete(connection, key)
            self._insert(connection, [key])
        return True

    def hold(self) -> bool:
        """Begin a transaction that commits after some more rounds; what it adds is stamped with its beginning."""
        if self.table.counts or len(self._held) >= 3:
            return False
        connection = self.table.hold()
        before = self.texts
        added = self._new_key()
        self._insert(connection, [added])
        keys = {added}
        if (changed := self._free()) is not None and changed not in keys:
            self.table.update(connection, changed, body=self._body(changed))
            keys.add(changed)
        self.texts = before
        self._held.append(Held(connection, keys, self.rng.randint(1, 5)))
        return True


_KINDS: dict[str, tuple[int, Callable[[Changes], bool]]] = {
    "inserted": (5, Changes.insert),
    "late row": (3, Changes.late_row),
    "content changed": (5, Changes.content),
    "metadata changed": (4, Changes.metadata),
    "text shrunk": (3, Changes.shrink),
    "text emptied": (1, Changes.empty),
    "content changed in silence": (1, Changes.silent_content),
    "metadata changed in silence": (1, Changes.silent_metadata),
    "deleted": (3, Changes.delete),
    "key reused": (2, Changes.reuse),
    "transaction held": (2, Changes.hold),
}
