"""What to keep in step with what, how often, and between when."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from syncd.model.deletes import Deletes
from syncd.model.fields import Column, Duration, Interval, Model, Moment, Name, Tag, Zone
from syncd.model.fingerprint import digest
from syncd.model.policy import Dependency, ExecutionWindow, RetryStrategy
from syncd.model.schedule import Schedule, parse_duration, parse_interval

FilterValue = str | int | float | bool | list[str | int | float] | None
"""What a filter compares a column with."""


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
    value: FilterValue = None
    """What to compare with; a list for in and not_in, nothing for is_null and not_null."""
    variable: Name | None = None
    """In place of value, the name of a variable: a run that is triggered with it reads only the rows that meet the
    condition, leaves the others as they are, and does not move the watermark. Other runs pass over the condition."""

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if self.variable is not None:
            if self.op in {Operator.IS_NULL, Operator.NOT_NULL}:
                raise ValueError(f"{self.op} takes no variable")
            if self.value is not None:
                raise ValueError("give either value or variable")
            return self
        takes_list = self.op in {Operator.IN, Operator.NOT_IN}
        takes_none = self.op in {Operator.IS_NULL, Operator.NOT_NULL}
        if takes_none and self.value is not None:
            raise ValueError(f"{self.op} takes no value")
        if takes_list != isinstance(self.value, list):
            raise ValueError(f"{self.op} takes {'a list of values' if takes_list else 'one value'}")
        if not takes_none and self.value is None:
            raise ValueError(f"{self.op} needs a value; to look for NULL use is_null")
        return self

    def bound(self, variables: Mapping[str, FilterValue]) -> Filter:
        """Return the filter with the value that a run's variables give it."""
        if self.variable is None or self.variable not in variables:
            return self
        value = variables[self.variable]
        takes_list = self.op in {Operator.IN, Operator.NOT_IN}
        if takes_list and not isinstance(value, list):
            value = [value] if isinstance(value, str | int | float) else []
        return self.model_copy(update={"value": value})


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
    retry_strategy: Annotated[RetryStrategy, Field(strict=False)] = RetryStrategy.EXPONENTIAL
    """How the wait between two attempts grows: exponential, linear, fixed, or custom with retry_delays_secs."""
    retry_initial_delay_secs: Annotated[float, Field(gt=0, le=86_400)] = 1
    """The first wait, in seconds; some jitter is added to each."""
    retry_max_delay_secs: Annotated[float, Field(gt=0, le=86_400)] = 300
    """The longest wait, in seconds."""
    retry_delays_secs: Annotated[
        tuple[Annotated[float, Field(ge=0, le=86_400)], ...], Field(max_length=100, strict=False)
    ] = ()
    """The waits of the custom strategy, in seconds, one after the other; the last one is repeated."""
    max_dead_letters: Annotated[int, Field(ge=0)] = 1000
    """The most rows that a run adds to the dead letters when they are more than a tenth of those that it has read. One
    that would add more fails, and its watermark stays before them: something else than the rows is at fault."""
    timeout: Duration = "1 DAY"
    """How long one attempt may take before it stops at a batch boundary."""
    execution_window: ExecutionWindow | None = None
    """The hours of the day, in the job's timezone, in which runs may go on. Default: all."""
    run_ttl_secs: Annotated[int, Field(ge=1)] | None = None
    """After how many seconds a run that has not begun expires. Default: never."""
    dedup_window_secs: Annotated[int, Field(ge=1)] | None = None
    """For how many seconds a request like an earlier one is answered with the earlier run. Default: not at all."""
    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=50, strict=False)] = ()
    """The jobs that have to run first; each run waits until all of them have run since the last one."""
    description: Annotated[str, StringConstraints(max_length=2000)] = ""
    """What the job is for, for people."""
    tags: Annotated[Mapping[Tag, Tag], Field(max_length=32)] = {}
    """Names and values to find the job by."""
    default_run_metadata: Annotated[Mapping[Tag, Tag], Field(max_length=32)] = {}
    """Names and values that every run of the job carries."""
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
        if (self.retry_strategy is RetryStrategy.CUSTOM) != bool(self.retry_delays_secs):
            raise ValueError("retry_delays_secs belongs to retry_strategy custom, which needs it")
        upstream = [dependency.job for dependency in self.depends_on]
        if len(set(upstream)) != len(upstream):
            raise ValueError("depends_on names a job twice")
        return self

    @property
    def schedule(self) -> Schedule:
        """The job's ticks."""
        interval = parse_interval(self.interval)
        return Schedule(interval, self.start_time, self.end_time, self.deletes.sweep_interval)

    @property
    def shortest_interval(self) -> tuple[str, str]:
        """The field that says how often ticks come at most, and what it says."""
        sweeps = self.deletes.sweep_interval
        if sweeps is None or parse_interval(self.interval) <= sweeps:
            return "interval", self.interval
        return "deletes.interval", str(self.deletes.interval)

    @property
    def database(self) -> str:
        """The database that the source table is in."""
        return self.source_table.split(".")[0]

    @property
    def time_limit(self) -> timedelta:
        """How long one attempt may take."""
        return parse_duration(self.timeout)

    def sweep_is_due(self, swept_at: datetime | None, now: datetime) -> bool:
        """Tell whether a sweep's tick has come since the last sweep began."""
        tick = self.schedule.last_sweep(now)
        return tick is not None and (swept_at is None or swept_at < tick)

    def retry_delay(self, attempt: int, jitter: float) -> float:
        """Return how many seconds to wait after an attempt that failed.

        Args:
            attempt: which one it was, from 1.
            jitter: from 0 to 1, to spread attempts that failed together; adds at most a tenth.
        """
        first = self.retry_initial_delay_secs
        match self.retry_strategy:
            case RetryStrategy.EXPONENTIAL:
                delay = first * 2.0 ** min(attempt - 1, 60)
            case RetryStrategy.LINEAR:
                delay = first * attempt
            case RetryStrategy.FIXED:
                delay = first
            case RetryStrategy.CUSTOM:
                delay = self.retry_delays_secs[min(attempt, len(self.retry_delays_secs)) - 1]
        return min(delay * (1 + jitter / 10), self.retry_max_delay_secs)

    @property
    def variables(self) -> frozenset[str]:
        """The variables that a run may be triggered with."""
        return frozenset(item.variable for item in self.filters if item.variable is not None)

    def bound(self, variables: Mapping[str, FilterValue]) -> JobDefinition:
        """Return the definition as a run with these variables sees it."""
        return self.model_copy(update={"filters": tuple(item.bound(variables) for item in self.filters)})

    def opening(self, now: datetime) -> datetime:
        """Return when a run may go on: now, or when the execution window opens next."""
        return now if self.execution_window is None else self.execution_window.opening(now, self.timezone)

    def meaning(self) -> str:
        """Return a hash of all that decides which documents the job makes.

        While it stays, a watermark keeps its meaning; when it changes, the table is compared from the beginning.
        """
        decisive = (
            "source_table", "kb_name", "content_columns", "template", "metadata_columns", "key_columns",
            "filter_column", "filters", "initial", "timezone",
        )  # fmt: skip
        return digest(self.model_dump_json(include=dict.fromkeys(decisive, True) | {"deletes": {"column": True}}))


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
        created_by, updated_by: the names of the tokens that did; None where none was needed.
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
    created_by: str | None = None
    updated_by: str | None = None

    @property
    def public_id(self) -> str:
        """The id that other programs know the job by."""
        return f"job_{self.id}"

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
