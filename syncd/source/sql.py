"""A table of a SQL database, read in the order of its filter column and key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from syncd.model.job import JobDefinition
from syncd.model.record import Reject, Standing, Window
from syncd.model.run import RunOptions
from syncd.model.watermark import FilterValue, Watermark
from syncd.ports import Pass, SourceReport
from syncd.source.catalog import SqlCatalog
from syncd.source.cursor import Fence, advance, observe
from syncd.source.database import Database, SqlOptions
from syncd.source.filter_type import FilterType, initial_value
from syncd.source.open_table import OpenTable, readable
from syncd.source.profile import profile
from syncd.source.rows import Row
from syncd.source.table import reflect
from syncd.source.whole_table import WholeTable, written_keys

SAMPLE_ROWS = 1000


class SqlSource:
    """Reads one job's table through SQLAlchemy. See `syncd.ports.Source` for what it promises."""

    Options = SqlOptions

    def __init__(self, options: SqlOptions, job: JobDefinition) -> None:
        self._job = job
        self._database = Database(job.database, options, job.time_limit)
        self._dialect = self._database.dialect
        self._connect = self._database.connect
        self._open: OpenTable | None = None
        self._fence: Fence | None = None

    def check(self) -> None:
        with self._connect() as connection:
            self._look_up(connection, None)

    @classmethod
    def catalog(cls, name: str, options: SqlOptions) -> SqlCatalog:
        """Return what looks around in a database."""
        return SqlCatalog(name, options)

    def begin(self, watermark: Watermark | None, options: RunOptions) -> Pass:
        with self._connect() as connection:
            opened = self._find(connection)
            self._open = opened
            start = self._start(connection, opened, watermark)
            lower = None if options.full or start.value is None else opened.type.back(start.value)
            top = opened.newest(connection, lower)
        newest = None if top is None else readable(opened.type, top[0])
        with self._connect() as connection:
            # After the look at the newest row, so that what could still come below it runs now, and before any row is
            # read. One fence for the whole pass: a later one knows nothing of rows that came where was read already.
            fence = self._dialect.fence(connection)
            # Up to the newest row, as they are read: what has come above it since is not read by this pass.
            if top is None:
                rows, above = 0, None
            elif lower is not None and newest is not None and _is_passed(newest, start, fence, opened.type):
                rows, above = opened.count_newest(connection, lower, top)
            else:
                rows, above = opened.count(connection, lower, opened.up_to(top)), None
        self._fence = fence
        if newest is not None and opened.type.fenced(fence.instant) is None:
            start = observe(start, newest, fence.clock)
        return Pass(
            glance=json.dumps([str(lower), rows, above, [str(value) for value in top or ()]]),
            rows=rows if above is None else None,
            clock=fence.clock,
            reread_after=opened.type.reread_after,
            start=start,
            lower=lower,
            upper=None if top is None else top[0],
            warnings=(*fence.warnings, *opened.warnings),
            released=newest is not None and start.value != newest and _may_reach(newest, start, fence, opened.type),
            options=options,
        )

    def windows(self, current: Pass) -> Iterator[Window]:
        opened, fence = self._open, self._fence
        if opened is None or fence is None or current.upper is None:
            return
        watermark, position, left = current.start, None, current.options.limit
        with self._connect() as connection:
            self._dialect.check_values(connection, opened.source.filter, opened.type, current.start.value)
        rejects = self._unidentified(opened, current)
        while left is None or left > 0:
            size = self._job.window_rows if left is None else min(left, self._job.window_rows)
            with self._connect() as connection:
                batch = opened.fetch(connection, current, position, size)
            opened.check_order(batch.rows)
            position = opened.position(batch.rows[-1]) if batch.rows else position
            last = opened.last(batch.rows)
            if last is not None:
                watermark = advance(watermark, last, fence, opened.type)
            if batch.ended:
                watermark = self._settle_text(opened, watermark, fence)
            window = opened.window(batch.rows, watermark, last)
            yield Window(window.records, (*rejects, *window.rejects), window.watermark, window.last)
            rejects = ()
            if batch.ended:
                return
            left = None if left is None else left - len(batch.rows)

    def scan(self, watermark: Watermark | None) -> Iterator[tuple[Standing, ...]]:
        with self._connect() as connection:
            table = WholeTable(self._job, self._look_up(connection, watermark), watermark)
            unidentified = table.without_key(connection)
        if unidentified:
            yield unidentified
        position: Row | None = None
        while True:
            with self._connect() as connection:
                batch = table.fetch(connection, position, self._job.window_rows)
            if batch.rows:
                yield table.standings(batch.rows)
                position = table.position(batch.rows[-1])
            if batch.ended:
                return

    def rows(self, document_ids: Sequence[str], watermark: Watermark | None) -> tuple[Standing, ...]:
        with self._connect() as connection:
            table = WholeTable(self._job, self._find(connection), watermark)
            return table.standings(table.rows(connection, document_ids))

    def present(self, document_ids: Sequence[str]) -> frozenset[str]:
        with self._connect() as connection:
            table = WholeTable(self._job, self._open or self._find(connection), None)
            return table.present(connection, document_ids)

    def document_id(self, key: str) -> str:
        with self._connect() as connection:
            opened = self._find(connection)
            meant = written_keys(self._job, opened.source, key)
            found = WholeTable(self._job, opened, None).present(connection, meant)
        return next((id_ for id_ in meant if id_ in found), meant[0])

    def rows_after(self, watermark: Watermark) -> int:
        with self._connect() as connection:
            opened = self._open or self._find(connection)
            query = sa.select(sa.func.count()).select_from(opened.source.table).where(opened.source.filter.is_not(None))
            seen = watermark.value if watermark.seen is None else watermark.seen
            if seen is not None:
                query = query.where(opened.source.filter > opened.bind(seen))
            return connection.execute(query).scalar_one()

    def report(self, watermark: Watermark | None) -> SourceReport:
        current = self.begin(watermark, RunOptions())
        assert self._open is not None
        source, kind = self._open.source, self._open.type
        with self._connect() as connection:
            self._dialect.check_values(connection, source.filter, kind, current.start.value)
            rows = self._open.count(connection, current.lower) if current.rows is None else current.rows
            nulls = sa.select(sa.func.count()).select_from(source.table).where(source.filter.is_(None))
            newest = sa.select(*source.content).order_by(source.filter.desc()).limit(SAMPLE_ROWS)
            return SourceReport(
                table=self._job.source_table,
                key=tuple(column.name for column in source.key),
                filter_column=source.filter.name,
                filter_type=kind.name,
                indexed=source.indexed,
                estimated_rows=self._dialect.estimated_rows(connection, source.table),
                null_filter_values=connection.execute(nulls).scalar_one(),
                rows_ahead=rows,
                warnings=current.warnings,
                profile=profile([column.name for column in source.content], connection.execute(newest).all()),
            )

    def close(self) -> None:
        self._database.close()

    def _look_up(self, connection: sa.Connection, watermark: Watermark | None) -> OpenTable:
        opened = self._find(connection)
        since = watermark.value if watermark is not None else None
        self._dialect.check_values(connection, opened.source.filter, opened.type, since)
        return opened

    def _find(self, connection: sa.Connection) -> OpenTable:
        """Look the table up without a look at its values, whose cost would grow with their number."""
        source = reflect(connection, self._job, raw=self._dialect.raw_types())
        return OpenTable(self._job, source, self._dialect.filter_type(connection, source.filter, self._job))

    def _start(self, connection: sa.Connection, opened: OpenTable, watermark: Watermark | None) -> Watermark:
        first = watermark is None
        watermark = watermark or Watermark()
        fitting = tuple(seen for seen in watermark.pending if opened.holds(seen.value))
        if watermark.value is not None and opened.holds(watermark.value):
            return replace(watermark, pending=fitting)
        initial = self._job.initial
        # Only the very first pass may leave rows out; one after a reset fills a knowledge base that has lost some.
        if initial == "beginning" or not first:
            return Watermark(None, fitting)
        if initial != "now":
            first_value = initial_value(opened.type, initial)
            return Watermark(first_value, floor=first_value)
        now = opened.type.fenced(self._dialect.fence(connection).clock)
        if now is None:
            top = opened.newest(connection, None)
            now = None if top is None else opened.type.read(top[0])
        return Watermark(now, floor=now)

    def _settle_text(self, opened: OpenTable, watermark: Watermark, fence: Fence) -> Watermark:
        """Move the watermark of a text column, which only the database can compare, at the end of a pass."""
        settled = fence.settled(watermark)
        if not settled or opened.type.fenced(fence.instant) is not None:
            return watermark
        if not isinstance(settled[-1], str) or not opened.is_at_or_above(self._connect, settled[-1], watermark.value):
            return watermark
        later = tuple(seen for seen in watermark.pending if seen.value not in settled)
        return replace(watermark, value=settled[-1], pending=later)

    def _unidentified(self, opened: OpenTable, current: Pass) -> tuple[Reject, ...]:
        if not opened.nullable_key:
            return ()
        with self._connect() as connection:
            return opened.without_key(connection, current)


def _is_passed(newest: FilterValue, watermark: Watermark, fence: Fence, kind: FilterType) -> bool:
    """Tell whether nothing that runs can still add a row at the newest one or below it."""
    bound = kind.fenced(fence.instant)
    passed = bound is None or kind.order(newest) < kind.order(bound)
    return watermark.value == newest and passed and not fence.held_still


def _may_reach(newest: FilterValue, watermark: Watermark, fence: Fence, kind: FilterType) -> bool:
    """Tell whether nothing that runs keeps a watermark below the newest row."""
    if kind.order(newest) is None:
        return fence.settled(watermark)[-1:] == [newest]
    return advance(watermark, newest, fence, kind).value == newest
