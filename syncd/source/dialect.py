"""What differs between databases: the session, the clock, the fence, and the types that a driver cannot read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from syncd.errors import PermanentError
from syncd.model.job import JobDefinition
from syncd.model.schedule import as_utc
from syncd.model.watermark import FilterValue
from syncd.source.cursor import Fence
from syncd.source.filter_type import (
    DateType,
    FilterType,
    InstantType,
    LocalTimeType,
    NumberType,
    TextType,
    number_lookback,
    time_lookback,
)

USABLE = "a timestamp, a date, an integer, a decimal or a text"


class Dialect:
    """A database of which nothing special is known: no session can be seen, so late commits rest on the lookback.

    Args:
        max_hold: how long one transaction may hold the fence.
    """

    def __init__(self, max_hold: timedelta) -> None:
        self.max_hold = max_hold

    def connect_arguments(self, statement_timeout: timedelta) -> dict[str, Any]:
        """Return what the driver needs so that no call waits for ever."""
        return {}

    def prepare_engine(self, engine: sa.Engine, statement_timeout: timedelta) -> None:
        """Bound what the driver has no parameter for."""

    def prepare_session(self, connection: Any, statement_timeout: timedelta) -> None:
        """Set a new driver connection to UTC, to reading only, and to bounded statements."""

    def fence(self, connection: sa.Connection) -> Fence:
        """Tell up to which moment the database holds no uncommitted row, and the time by its own clock."""
        now = connection.execute(sa.select(sa.func.current_timestamp())).scalar_one()
        clock = as_utc(now if isinstance(now, datetime) else datetime.fromisoformat(str(now)))
        return Fence(clock, clock, warnings=(f"syncd cannot see the transactions of {connection.dialect.name}",))

    def raw_types(self) -> bool:
        """Tell whether values are compared as they are stored rather than by the column's declared type."""
        return False

    def filter_type(self, connection: sa.Connection, column: sa.Column[Any], job: JobDefinition) -> FilterType:
        """Choose how the filter column is read, by its declared type, at a cost that does not grow with the table.

        Raises:
            PermanentError: when a column of this type cannot be a filter column.
        """
        declared = column.type
        zone = ZoneInfo(job.timezone)
        match declared:
            case sa.Date():
                return DateType(time_lookback(job.lookback), zone)
            case sa.DateTime():
                if getattr(declared, "timezone", False):
                    return InstantType(time_lookback(job.lookback))
                return LocalTimeType(time_lookback(job.lookback), zone)
            case sa.Boolean():
                pass
            case sa.Integer():
                return NumberType("integer", number_lookback(job.lookback))
            case sa.Float() if not _is_double(declared):
                raise PermanentError(
                    f"filter_column {column.name} has the type {declared}, whose values cannot be compared exactly",
                    "choose another column, or cast it to double precision in a view",
                )
            case sa.Float():
                return NumberType("float", number_lookback(job.lookback))
            case sa.Numeric():
                return NumberType("decimal", number_lookback(job.lookback))
            case sa.String() if not isinstance(declared, sa.Enum):
                return TextType()
        raise PermanentError(f"filter_column {column.name} has the type {declared}", f"choose {USABLE}")

    def check_values(
        self, connection: sa.Connection, column: sa.Column[Any], kind: FilterType, since: FilterValue | None
    ) -> None:
        """Make sure that the filter column's values are of its type, where a column may hold others.

        Args:
            since: the watermark; what lies below it was looked at before.

        Raises:
            PermanentError: some are not.
        """

    def may_filter(self, declared: sa.types.TypeEngine[Any]) -> bool:
        """Tell whether a column of that declared type can be a filter column; `filter_type` has the last word."""
        if isinstance(declared, sa.Boolean | sa.Enum) or (isinstance(declared, sa.Float) and not _is_double(declared)):
            return False
        return isinstance(declared, sa.Date | sa.DateTime | sa.Integer | sa.Float | sa.Numeric | sa.String)

    def estimated_rows(self, connection: sa.Connection, table: sa.Table) -> int | None:
        """Return about how many rows the table has, cheaply, or None where that is not known."""
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()

    def permanent(self, error: sa.exc.DBAPIError) -> bool:
        """Tell whether the error will come again until someone changes the job or the database."""
        return isinstance(error, sa.exc.ProgrammingError | sa.exc.DataError | sa.exc.NotSupportedError)


def _is_double(declared: sa.types.TypeEngine[Any]) -> bool:
    return isinstance(declared, sa.Double) or getattr(declared, "precision", None) == 53


def hold_warning(ignored: int, max_hold: timedelta) -> tuple[str, ...]:
    """Say that transactions idle for too long no longer hold the watermark back."""
    if not ignored:
        return ()
    return (
        f"{ignored} transaction(s) have been open for more than {max_hold}; what they commit below the lookback "
        "will not be noticed: end them",
    )
