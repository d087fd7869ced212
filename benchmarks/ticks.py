"""What a tick costs that finds nothing, and one that finds 100 changed rows, as tables grow and stamps coincide.

python -m benchmarks.ticks --rows 1000,10000,100000,1000000 --json docs/performance/ticks.json
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from syncd.chunk.text import TextChunker, TextOptions
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.job import JobDefinition
from syncd.model.run import Checkpoint, RunOptions
from syncd.model.watermark import Watermark
from syncd.pipeline import Pipeline
from syncd.ports import KnowledgeBase
from syncd.source.database import SqlOptions
from syncd.source.sql import SqlSource
from syncd.tally import Tally
from tests import services
from tests.engine import Engine
from tests.world import World

CHANGED = 100
SHAPES = {"spread": 1, "tied": 0}
"""Seconds between the stamps of two rows."""

# A look at InnoDB's transactions waits where the last one is less than 0.1 seconds ago, which no schedule makes happen.
_REST_SECONDS = {"mariadb": 0.15}

_TYPES = {"sqlite": "TEXT", "postgresql": "TIMESTAMPTZ", "mysql": "DATETIME"}
_AGO = {
    "sqlite": "datetime('now', (-10 - {} * (SELECT count(*) FROM n) + {} * n) || ' seconds')",
    "postgresql": "now() - interval '10 seconds' - ({} * (SELECT count(*) FROM n) - {} * n) * interval '1 second'",
    "mysql": "UTC_TIMESTAMP() - INTERVAL 10 + {} * (SELECT count(*) FROM n) - {} * n SECOND",
}
_NOW = {"sqlite": "datetime('now')", "postgresql": "now()", "mysql": "UTC_TIMESTAMP()"}


def job(table: str) -> JobDefinition:
    """Return the job of a table."""
    fields = {"source_table": f"db.{table}", "kb_name": "ticks_kb", "content_columns": ["body"]}
    return JobDefinition.model_validate(fields | {"filter_column": "changed", "interval": "1 MINUTES"})


@dataclass(frozen=True)
class Figures:
    """What one table's ticks cost.

    Args:
        idle_ms: a tick that finds nothing; the median, of the source and the pipeline alone.
        first_ms: the same with a connection and a source that were just made.
        changed_ms: a tick that finds `CHANGED` rows; None where all rows lie in the lookback, so that it reads all.
        statements: how many a tick sends that finds nothing.
    """

    database: str
    stamps: str
    rows: int
    idle_ms: float
    first_ms: float
    changed_ms: float | None
    statements: int


def make(url: str, table: str, rows: int, apart: int) -> None:
    """Make a table whose newest row is 10 seconds old, with an index on its stamps."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    kind = engine.dialect.name
    numbers = f"WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})"
    stamp = _AGO[kind].format(apart, apart).replace("(SELECT count(*) FROM n)", str(rows))
    fill = f"SELECT n, {_body(kind, 'n')}, {stamp} FROM n"
    insert = f"INSERT INTO {table} {numbers} {fill}" if kind == "mysql" else f"{numbers} INSERT INTO {table} {fill}"
    with engine.begin() as connection:
        if kind == "mysql":
            connection.exec_driver_sql(f"SET max_recursive_iterations = {rows + 1}")
        connection.exec_driver_sql(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body VARCHAR(99), changed {_TYPES[kind]})"
        )
        connection.exec_driver_sql(insert)
        connection.exec_driver_sql(f"CREATE INDEX {table}_changed ON {table} (changed)")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ANALYZE {'TABLE ' if kind == 'mysql' else ''}{table}")
        if kind == "postgresql":
            connection.exec_driver_sql(f"VACUUM {table}")


def change(url: str, table: str, turn: int) -> None:
    """Change rows of every part of the table."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    kind = engine.dialect.name
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(f"SELECT max(id) FROM {table}").scalar_one()
        ids = ", ".join(str(1 + n * (rows - 1) // CHANGED) for n in range(CHANGED))
        text = _body(kind, "id").replace("row", f"turn {turn}, row")
        connection.exec_driver_sql(f"UPDATE {table} SET body = {text}, changed = {_NOW[kind]} WHERE id IN ({ids})")


def _body(kind: str, number: str) -> str:
    return f"concat('this is row ', {number})" if kind == "mysql" else f"'this is row ' || {number}"


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note the statements that are sent in the meantime."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


class Subject:
    """A table with a job that has read all of it.

    Args:
        database: what its server is called.
        url: where it is.
        stamps: how its rows are stamped; see `SHAPES`.
        rows: how many it has.
        kb: what is filled.
    """

    def __init__(self, database: str, url: str, stamps: str, rows: int, kb: KnowledgeBase) -> None:
        self._database = database
        self._url = url
        self._stamps = stamps
        self._rows = rows
        self._table = f"{stamps}_{rows}"
        make(url, self._table, rows, SHAPES[stamps])
        self._source = SqlSource(SqlOptions(url=SecretStr(url)), job(self._table))
        embedder = HashingEmbedder(HashingOptions())
        chunker = TextChunker(TextOptions(), embedder)
        meaning = job(self._table).meaning()
        # Nothing is kept of what a tick comes to, so that each begins where the first one did.
        self._pipeline = Pipeline(self._source, chunker, embedder, kb, meaning=meaning, commit=lambda *_: None)
        self._known = Checkpoint(Watermark(), meaning, kb.identity())
        self._statements = 0
        self._first: list[float] = []
        self._idle: list[float] = []
        self._changed: list[float] = []

    def begin(self) -> None:
        """Take the whole table for read, without embedding all of it, and tick with a source that was just made."""
        current = self._source.begin(None, RunOptions())
        assert self._source._open is not None
        newest = self._source._open.type.read(current.upper)
        watermark = Watermark(newest, seen=newest)
        current = self._source.begin(watermark, RunOptions())
        self._known = replace(self._known, watermark=watermark, glance=current.glance, read_at=current.clock)
        self._source.close()
        with watched() as sent:
            self._first.append(self._tick(0))
        self._statements = len(sent)

    def idle(self) -> None:
        """Tick when nothing has changed."""
        self._idle.append(self._tick(0))

    def change(self, turn: int) -> None:
        """Change rows, and tick; not where all rows would be read again."""
        if SHAPES[self._stamps]:
            change(self._url, self._table, turn)
            self._changed.append(self._tick(CHANGED))

    def figures(self) -> Figures:
        """Return the medians."""
        self._source.close()
        return Figures(
            self._database,
            self._stamps,
            self._rows,
            statistics.median(self._idle),
            statistics.median(self._first),
            statistics.median(self._changed) if self._changed else None,
            self._statements,
        )

    def _tick(self, embedded: int) -> float:
        time.sleep(_REST_SECONDS.get(self._database, 0))
        tally = Tally()
        begun = time.perf_counter()
        self._pipeline.run(self._known, RunOptions(), tally)
        took = (time.perf_counter() - begun) * 1000
        assert tally.counts.embedded >= embedded, tally.counts
        assert embedded or not tally.counts.records_read, f"{tally.counts.records_read} rows were read"
        return took


def measured(database: str, url: str, rows: Sequence[int], kb: KnowledgeBase, ticks: int) -> list[Figures]:
    """Make tables of all sizes and shapes, and tick with each in turn, so that other work slows all alike."""
    subjects = [Subject(database, url, stamps, number, kb) for stamps in SHAPES for number in rows]
    for subject in subjects:
        subject.begin()
    for _ in range(ticks):
        for subject in subjects:
            subject.idle()
    for turn in range(ticks // 2):
        for subject in subjects:
            subject.change(turn)
    return [subject.figures() for subject in subjects]


def whole_run(folder: Path, ticks: int) -> float:
    """Return the milliseconds of a run that finds nothing: claimed, leased, begun, ended and recorded."""
    world = World.make(folder, f"sqlite:///{folder / 'source.db'}")
    world.fill(1, 1000)
    with Engine.of(world) as engine:
        engine.run()
        engine.run()
        took = []
        for _ in range(ticks):
            begun = time.perf_counter()
            assert engine.run().counts.records_read == 0
            took.append((time.perf_counter() - begun) * 1000)
        return statistics.median(took)


@contextmanager
def databases(folder: Path, wanted: list[str]) -> Iterator[Mapping[str, str]]:
    """Run the servers that are wanted."""
    with ExitStack() as stack:
        urls = {}
        if "sqlite" in wanted:
            urls["sqlite"] = f"sqlite:///{folder / 'source.db'}"
            sa.create_engine(urls["sqlite"]).connect().close()
        if "postgresql" in wanted:
            server = stack.enter_context(services.postgres_server())
            url = stack.enter_context(services.postgres_database(server))
            urls["postgresql"] = url.render_as_string(hide_password=False)
        if "mariadb" in wanted:
            server = stack.enter_context(services.mariadb_server())
            url = stack.enter_context(services.mariadb_database(server))
            urls["mariadb"] = url.render_as_string(hide_password=False)
        yield urls


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1000,10000,100000,1000000")
    parser.add_argument("--databases", default="sqlite,postgresql,mariadb")
    parser.add_argument("--ticks", type=int, default=21)
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    # Warnings about the tables are of no interest here.
    logging.getLogger("syncd").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as name, databases(Path(name), given.databases.split(",")) as urls:
        folder = Path(name)
        kb = ChromaKnowledgeBase("ticks_kb", ChromaOptions(path=str(folder / "kb")), "hashing", {"pid": "1"})
        found = []
        print(f"{'':>10} {'stamps':>7} {'rows':>9} {'idle ms':>8} {'first ms':>8} {'100 rows':>8} {'statements':>10}")
        for database, url in urls.items():
            for one in measured(database, url, [int(number) for number in given.rows.split(",")], kb, given.ticks):
                found.append(one)
                changed = "–" if one.changed_ms is None else f"{one.changed_ms:.1f}"
                print(
                    f"{one.database:>10} {one.stamps:>7} {one.rows:>9,} {one.idle_ms:>8.1f} {one.first_ms:>8.1f} "
                    f"{changed:>8} {one.statements:>10}",
                    flush=True,
                )
        kb.close()
        (folder / "world").mkdir()
        whole = whole_run(folder / "world", given.ticks)
        print(f"a whole run that finds nothing, with its records: {whole:.1f} ms")
    if given.json:
        report = {"ticks": [asdict(one) for one in found], "whole_run_ms": whole}
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
