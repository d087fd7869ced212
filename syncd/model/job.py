"""What to keep in step with what, how often, and between when."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from syncd.model.fingerprint import digest
from syncd.model.schedule import Schedule, as_utc, parse_duration, parse_interval

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=255)]


def _checked_interval(text: str) -> str:
    parse_interval(text)
    return " ".join(text.upper().split())


def _checked_duration(text: str) -> str:
    parse_duration(text)
    return " ".join(text.upper().split())


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone: write a name such as UTC or Europe/Berlin") from error
    return name


def _read_moment(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"{value!r} is not a time: write ISO 8601, such as 2026-01-31T00:00:00") from error
    return value


Interval = Annotated[str, AfterValidator(_checked_interval)]
Duration = Annotated[str, AfterValidator(_checked_duration)]
Zone = Annotated[str, AfterValidator(_checked_zone)]
Moment = Annotated[
    datetime,
    BeforeValidator(_read_moment),
    AfterValidator(as_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Model(BaseModel):
    """A frozen value that refuses unknown fields and does not guess types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Operator(StrEnum):
    """How a filter compares a column with a value."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    NOT_IN = "not_in"
    LIKE = "like"
    IS_NULL = "is_null"
    NOT_NULL = "not_null"


class Filter(Model):
    """A condition on one column; the value is bound, never written into SQL."""

    column: Column
    """The column to compare."""
    op: Annotated[Operator, Field(strict=False)]
    """How: eq, ne, lt, le, gt, ge, in, not_in, like, is_null or not_null."""
    value: str | int | float | bool | list[str | int | float] | None = None
    """What to compare with; a list for in and not_in, nothing for is_null and not_null."""

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        takes_list = self.op in {Operator.IN, Operator.NOT_IN}
        takes_none = self.op in {Operator.IS_NULL, Operator.NOT_NULL}
        if takes_none and self.value is not None:
            raise ValueError(f"{self.op} takes no value")
        if takes_list != isinstance(self.value, list):
            raise ValueError(f"{self.op} takes {'a list of values' if takes_list else 'one value'}")
        if not takes_none and self.value is None:
            raise ValueError(f"{self.op} needs a value; to look for NULL use is_null")
        return self


class Deletes(Model):
    """How a deleted row is noticed."""

    mode: Literal["none", "soft"] = "none"
    """none: rows are never removed; soft: a column marks deleted rows."""
    column: Column | None = None
    """The marking column: deleted where it is true, or not NULL for any other type. It must move the filter column."""

    @model_validator(mode="after")
    def _column_fits(self) -> Self:
        if (self.mode == "soft") != (self.column is not None):
            raise ValueError("mode soft needs a column, and only mode soft takes one")
        return self


class JobDefinition(Model):
    """A job as its author wrote it."""

    source_table: Annotated[str, StringConstraints(pattern=r"^[^.]+\.[^.]+(\.[^.]+)?$")]
    """The table or view to read: `database.table` or `database.schema.table`."""
    kb_name: Name
    """The knowledge base to fill."""
    content_columns: Annotated[tuple[Column, ...], Field(min_length=1, strict=False)]
    """The columns whose text is embedded, joined as `column: value` lines."""
    template: str | None = None
    """The text to embed instead, with `{column}` for each content column; NULL is empty."""
    metadata_columns: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    """Columns stored beside the text, to filter searches by; the filter column always is."""
    key_columns: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    """The columns that identify a row; by default the table's primary key."""
    filter_column: Column
    """The column that grows when a row is added or changed: a timestamp, a date, a number or a text."""
    filters: Annotated[tuple[Filter, ...], Field(strict=False)] = ()
    """Only rows that meet all of these are kept; a row that stops meeting them is removed."""
    interval: Interval
    """How often: N MINUTES, HOURS, DAYS or WEEKS, or HOURLY, DAILY, WEEKLY."""
    start_time: Moment | None = None
    """The first tick, ISO 8601; without a zone it is UTC. Default: ticks fall on round times."""
    end_time: Moment | None = None
    """The last moment of a tick, ISO 8601; after it the job has ended. Default: never."""
    lookback: Annotated[Duration | int | None, Field(union_mode="left_to_right")] = None
    """How far below the watermark each run reads again: a duration for times (default 5 MINUTES), a count for integers
    (default 1000), nothing for text."""
    deletes: Deletes = Deletes()
    """How deleted rows are noticed."""
    initial: str | int = "beginning"
    """Where the first run starts: `beginning`, `now`, or a value of the filter column."""
    timezone: Zone = "UTC"
    """The time zone of a filter column that stores none."""
    window_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """The most rows held in memory at once."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How often a run tries in all when it meets failures that may pass."""
    timeout: Duration = "1 DAY"
    """How long one attempt may take before it stops at a batch boundary."""
    enabled: bool = True
    """Whether the job runs by itself."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        if isinstance(self.lookback, int) and self.lookback < 0:
            raise ValueError("lookback cannot be negative")
        if self.start_time and self.end_time and self.end_time <= self.start_time:
            raise ValueError("end_time must be later than start_time")
        for field in ("content_columns", "metadata_columns", "key_columns"):
            columns = getattr(self, field)
            if len(set(columns)) != len(columns):
                raise ValueError(f"{field} names a column twice")
        reserved = [name for name in (*self.metadata_columns, self.filter_column) if name.startswith("syncd_")]
        if reserved:
            raise ValueError(f"names starting with syncd_ are reserved, rename {reserved[0]!r} in a view")
        if self.template is not None:
            _check_template(self.template, self.content_columns)
        return self

    @property
    def schedule(self) -> Schedule:
        """The job's ticks."""
        return Schedule(parse_interval(self.interval), self.start_time, self.end_time)

    @property
    def database(self) -> str:
        """The database that the source table is in."""
        return self.source_table.split(".")[0]

    @property
    def time_limit(self) -> timedelta:
        """How long one attempt may take."""
        return parse_duration(self.timeout)

    def meaning(self) -> str:
        """Return a hash of all that decides which documents the job makes.

        While it stays, a watermark keeps its meaning; when it changes, the table is compared from the beginning.
        """
        decisive = {
            "source_table", "kb_name", "content_columns", "template", "metadata_columns", "key_columns",
            "filter_column", "filters", "deletes", "initial", "timezone",
        }  # fmt: skip
        return digest(self.model_dump_json(include=decisive))


def _check_template(template: str, columns: tuple[str, ...]) -> None:
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"template: {error}; write {{column}}, and {{{{ for a brace") from error
    for name, spec, conversion in fields:
        if name is None:
            continue
        if name not in columns or spec or conversion:
            raise ValueError(f"template: {{{name}}} is not one of the content_columns {', '.join(columns)}")


class Origin(StrEnum):
    """Where a job is defined."""

    FILE = "file"
    API = "api"


class JobStatus(StrEnum):
    """What a job is doing; see the state machine in ARCHITECTURE.md."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    DISABLED = "disabled"
    BLOCKED = "blocked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Job:
    """A definition with its name and its place in the state.

    Args:
        id: the job's number, never reused.
        version: grows with every change of the definition.
        paused: whether someone has stopped its ticks for a while.
        blocked: why its last run could not work until something is changed; None when nothing is wrong.
        ended: when it left its file or passed its end time; None while it lives.
    """

    id: int
    name: str
    definition: JobDefinition
    origin: Origin
    version: int
    created_at: datetime
    updated_at: datetime
    paused: bool = False
    blocked: str | None = None
    ended: datetime | None = None

    @property
    def due(self) -> bool:
        """Tell whether ticks of this job may start runs."""
        return self.definition.enabled and not self.paused and self.ended is None

    def status(self, now: datetime, *, running: bool) -> JobStatus:
        """Return the one status that says most about the job.

        Args:
            now: the moment to judge the schedule by.
            running: whether a run of this job is going on.
        """
        if running:
            return JobStatus.RUNNING
        if self.ended is not None or self.definition.schedule.ended(now):
            return JobStatus.ENDED
        if not self.definition.enabled:
            return JobStatus.DISABLED
        if self.paused:
            return JobStatus.PAUSED
        return JobStatus.BLOCKED if self.blocked is not None else JobStatus.SCHEDULED
