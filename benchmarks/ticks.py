"""What a tick costs that finds nothing, and one that finds 100 changed rows, as tables grow and stamps coincide.

python -m benchmarks.ticks --rows 1000,10000,100000,1000000 --json docs/performance/ticks.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
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

JOB = JobDefinition.model_validate(
    {
        "source_table": "db.t",
        "kb_name": "ticks_kb",
        "content_columns": ["body"],
        "filter_column": "changed",
        "interval": "1 MINUTES",
    }
)
CHANGED = 100
SHAPES = {"spread": 1, "tied": 0}
"""Seconds between the stamps of two rows."""

_TYPES = {"sqlite": "TEXT", "postgresql": "TIMESTAMPTZ", "mysql": "DATETIME"}
_AGO = {
    "sqlite": "datetime('now', (-10 - {} * (SELECT count(*) FROM n) + {} * n) || ' seconds')",
    "postgresql": "now() - interval '10 seconds' - ({} * (SELECT count(*) FROM n) - {} * n) * interval '1 second'",
    "mysql": "UTC_TIMESTAMP() - INTERVAL 10 + {} * (SELECT count(*) FROM n) - {} * n SECOND",
}
_NOW = {"sqlite": "datetime('now')", "postgresql": "now()", "mysql": "UTC_TIMESTAMP()"}


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


def make(url: str, rows: int, apart: int) -> None:
    """Make a table whose newest row is 10 seconds old, with an index on its stamps."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    kind = engine.dialect.name
    numbers = f"WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})"
    stamp = _AGO[kind].format(apart, apart).replace("(SELECT count(*) FROM n)", str(rows))
    fill = f"SELECT n, {_body(kind, 'n')}, {stamp} FROM n"
    insert = f"INSERT INTO t {numbers} {fill}" if kind == "mysql" else f"{numbers} INSERT INTO t {fill}"
    with engine.begin() as connection:
        if kind == "mysql":
            connection.exec_driver_sql(f"SET max_recursive_iterations = {rows + 1}")
        connection.exec_driver_sql("DROP TABLE IF EXISTS t")
        connection.exec_driver_sql(f"CREATE TABLE t (id INTEGER PRIMARY KEY, body VARCHAR(99), changed {_TYPES[kind]})")
        connection.exec_driver_sql(insert)
        connection.exec_driver_sql("CREATE INDEX t_changed ON t (changed)")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql({"mysql": "ANALYZE TABLE t"}.get(kind, "ANALYZE t"))
        if kind == "postgresql":
            connection.exec_driver_sql("VACUUM t")


def change(url: str, turn: int) -> None:
    """Change rows of every part of the table."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    kind = engine.dialect.name
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT max(id) FROM t").scalar_one()
        ids = ", ".join(str(1 + n * (rows - 1) // CHANGED) for n in range(CHANGED))
        text = _body(kind, "id").replace("row", f"turn {turn}, row")
        connection.exec_driver_sql(f"UPDATE t SET body = {text}, changed = {_NOW[kind]} WHERE id IN ({ids})")


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


def reached(url: str, kb: KnowledgeBase) -> Checkpoint:
    """Return the checkpoint of a job that has read the whole table, without embedding all of it."""
    with closing(SqlSource(SqlOptions(url=SecretStr(url)), JOB)) as source:
        first = source.begin(None, RunOptions())
        assert source._open is not None
        watermark = Watermark(source._open.type.read(first.upper))
        watermark = replace(watermark, seen=watermark.value)
        current = source.begin(watermark, RunOptions())
    return Checkpoint(watermark, JOB.meaning(), kb.identity(), glance=current.glance, read_at=current.clock)


def measure(name: str, url: str, stamps: str, rows: int, kb: KnowledgeBase, ticks: int) -> Figures:
    """Make a table and tick."""
    make(url, rows, SHAPES[stamps])
    known = reached(url, kb)
    with closing(SqlSource(SqlOptions(url=SecretStr(url)), JOB)) as source:
        chunker, embedder = TextChunker(TextOptions(), _EMBEDDER), _EMBEDDER
        saved: list[Checkpoint] = []
        pipeline = Pipeline(
            source, chunker, embedder, kb, meaning=JOB.meaning(), commit=lambda checkpoint, *_: saved.append(checkpoint)
        )

        def tick(known: Checkpoint) -> int:
            tally = Tally()
            pipeline.run(known, RunOptions(), tally)
            return tally.counts.records_read

        first_ms = _milliseconds(lambda: _expect(tick(known), 0))
        with watched() as sent:
            tick(known)
        idle_ms = statistics.median(_milliseconds(lambda: _expect(tick(known), 0)) for _ in range(ticks))
        changed = []
        for turn in range(max(1, ticks // 3)) if SHAPES[stamps] else ():
            change(url, turn)
            changed.append(_milliseconds(lambda: tick(known)))
    changed_ms = statistics.median(changed) if changed else None
    return Figures(name, stamps, rows, idle_ms, first_ms, changed_ms, len(sent))


_EMBEDDER = HashingEmbedder(HashingOptions())


def _expect(read: int, expected: int) -> None:
    assert read == expected, f"{read} rows were read instead of {expected}"


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def whole_run(folder: Path, ticks: int) -> float:
    """Return the milliseconds of a run that finds nothing: claimed, leased, begun, ended and recorded."""
    world = World.make(folder, f"sqlite:///{folder / 'source.db'}")
    world.fill(1, 1000)
    with Engine.of(world) as engine:
        engine.run()
        engine.run()
        return statistics.median(_milliseconds(engine.run) for _ in range(ticks))


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
    with tempfile.TemporaryDirectory() as name, databases(Path(name), given.databases.split(",")) as urls:
        folder = Path(name)
        kb = ChromaKnowledgeBase("ticks_kb", ChromaOptions(path=str(folder / "kb")), "hashing", {"pid": "1"})
        found = []
        print(f"{'':>10} {'stamps':>7} {'rows':>9} {'idle ms':>8} {'first ms':>8} {'100 rows':>8} {'statements':>10}")
        for database, url in urls.items():
            for stamps in SHAPES:
                for rows in given.rows.split(","):
                    one = measure(database, url, stamps, int(rows), kb, given.ticks)
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
