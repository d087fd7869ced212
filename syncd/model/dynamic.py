"""Variables whose values are worked out when a run is asked for; out of a fixed list, never run as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from syncd.model.job import FilterValue

_DAY = timedelta(days=1)


def _moment(now: datetime) -> str:
    return now.replace(microsecond=0).isoformat().replace("+00:00", "Z")


FUNCTIONS: Mapping[str, Callable[[datetime], FilterValue]] = {
    "CurrentTime()": _moment,
    "CurrentDate()": lambda now: now.date().isoformat(),
    "Yesterday()": lambda now: (now - _DAY).date().isoformat(),
    "Tomorrow()": lambda now: (now + _DAY).date().isoformat(),
    "CurrentUnixTimestamp()": lambda now: int(now.timestamp()),
}
"""What may be written, and what it gives at a moment, which is aware and in UTC."""


def evaluated(
    expressions: Mapping[str, str], variables: Mapping[str, FilterValue], now: datetime
) -> tuple[dict[str, FilterValue], list[str]]:
    """Work out the values of dynamic variables.

    Args:
        expressions: one of `FUNCTIONS`, or `$NAME` for the value of another variable, by name.
        variables: the variables that have values already.
        now: the moment, aware and in UTC.

    Returns:
        The values, and the names of those that cannot be worked out.
    """
    values = {name: FUNCTIONS[text](now) for name, text in expressions.items() if text in FUNCTIONS}
    known = {**variables, **values}
    unknown = []
    for name, text in expressions.items():
        if text in FUNCTIONS:
            continue
        if text.startswith("$") and text[1:] in known:
            values[name] = known[text[1:]]
        else:
            unknown.append(name)
    return values, unknown
