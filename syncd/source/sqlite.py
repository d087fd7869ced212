"""SQLite: values are compared as they are stored, times usually as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from syncd.errors import PermanentError
from syncd.model.job import JobDefinition
from syncd.model.watermark import FilterValue
from syncd.source.cursor import Fence
from syncd.source.dialect import USABLE, Dialect
from syncd.source.filter_type import FilterType, NumberType, TextType, number_lookback, time_lookback
from syncd.source.text_time import TextTimeType


class SqliteDialect(Dialect):
    """One writer at a time; a writer's transaction cannot be seen, so late commits rest on the lookback."""

    def connect_arguments(self, statement_timeout: timedelta) -> dict[str, Any]:
        return {"timeout": min(30.0, statement_timeout.total_seconds())}

    def prepare_session(self, connection: Any, statement_timeout: timedelta) -> None:
        connection.execute("PRAGMA query_only = ON")
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def fence(self, connection: sa.Connection) -> Fence:
        text = connection.execute(sa.text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
        clock = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return Fence(clock, clock)

    def raw_types(self) -> bool:
        return True

    def may_filter(self, declared: sa.types.TypeEngine[Any]) -> bool:
        # The values decide, not the declared type.
        return not isinstance(declared, sa.LargeBinary)

    def filter_type(self, connection: sa.Connection, column: sa.Column[Any], job: JobDefinition) -> FilterType:
        # Integers sort before texts and texts before bytes, so the two ends show whether the kinds are mixed.
        smallest, largest = (
            connection.execute(sa.select(end(column))).scalar_one() for end in (sa.func.min, sa.func.max)
        )
        kinds = {type(value) for value in (smallest, largest) if value is not None}
        if kinds == {int}:
            return NumberType("integer", number_lookback(job.lookback))
        if kinds and kinds <= {int, float}:
            return NumberType("float", number_lookback(job.lookback))
        if kinds == {str}:
            return _text_type(job, (smallest, largest))
        if not kinds:
            return TextType()
        raise PermanentError(
            f"filter_column {column.name} holds values of several kinds, such as {smallest!r} and {largest!r}",
            f"store all of them as {USABLE}",
        )

    def check_values(
        self, connection: sa.Connection, column: sa.Column[Any], kind: FilterType, since: FilterValue | None
    ) -> None:
        if not isinstance(kind, TextTimeType):
            return
        odd = sa.select(column).where(*(~column.op("GLOB")(glob) for glob in kind.globs())).limit(5)
        if since is not None:
            # Every form begins with the date, so what sorts below the watermark's day is an earlier day.
            odd = odd.where(column >= str(since)[:10])
        if others := [repr(text) for text in connection.execute(odd).scalars()]:
            raise PermanentError(
                f"filter_column {column.name} is mostly a {kind.name}, but also holds {', '.join(others)}; "
                "texts in several forms do not sort by time",
                "rewrite them in one form",
            )


def _text_type(job: JobDefinition, ends: tuple[str, str]) -> FilterType:
    lookback = timedelta() if isinstance(job.lookback, int) else time_lookback(job.lookback)
    forms = [TextTimeType.of(text, lookback, ZoneInfo(job.timezone)) for text in ends]
    form = next((form for form in forms if form is not None), None)
    if form is None:
        return TextType()
    time_lookback(job.lookback)
    return form
