"""Real tables for the tests, and jobs that read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from pydantic import SecretStr

from syncd.model.job import JobDefinition
from syncd.model.record import Record, Reject
from syncd.model.run import RunOptions
from syncd.model.watermark import Watermark
from syncd.source.database import SqlOptions
from syncd.source.sql import SqlSource


def execute(url: str, *statements: str) -> None:
    """Run statements in one transaction of another session."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def session(url: str) -> Iterator[sa.Connection]:
    """Open another session, in which a transaction can be held open."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def job(**fields: object) -> JobDefinition:
    """A job over the table `t` with content `body` and filter column `f`, changed as given."""
    plain: dict[str, object] = {
        "source_table": "db.t",
        "kb_name": "kb",
        "content_columns": ["body"],
        "filter_column": "f",
        "interval": "10 MINUTES",
    }
    return JobDefinition.model_validate(plain | fields)


@contextmanager
def source(url: str, **fields: object) -> Iterator[SqlSource]:
    """Open the source of such a job."""
    opened = SqlSource(SqlOptions(url=SecretStr(url)), job(**fields))
    try:
        yield opened
    finally:
        opened.close()


def read(
    opened: SqlSource, watermark: Watermark | None = None, options: RunOptions = RunOptions()
) -> tuple[list[Record], list[Reject], Watermark]:
    """Make one pass, and return its records, its rejects, and where the watermark ended."""
    current = opened.begin(watermark, options)
    records: list[Record] = []
    rejects: list[Reject] = []
    end = current.start
    for window in opened.windows(current):
        records += window.records
        rejects += window.rejects
        end = window.watermark
    return records, rejects, end


def keys(records: Iterable[Record]) -> list[object]:
    """The records' single-column keys, in the order of reading."""
    return [record.key[0] for record in records]
