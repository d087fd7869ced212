"""One text form for every value a database can hold, so that equal rows give equal texts and hashes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from syncd.errors import RecordError
from syncd.model.record import MetadataValue

_LARGEST_INTEGER = 2**63 - 1


def text_of(value: object) -> str:
    """Return the canonical text of a value that is not NULL.

    Numbers keep the digits the database shows; times are ISO 8601, in UTC where a zone is known; bytes are base64;
    JSON and arrays are compact JSON with sorted keys.

    Raises:
        RecordError: for text that is not valid Unicode, and for values deeper than JSON can be read.
    """
    match value:
        case str():
            text = str(value)
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(int(value))
        case float():
            text = _float_text(value)
        case Decimal():
            text = format(value, "f") if value.is_finite() else str(value)
        case datetime():
            text = (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date() | time():
            text = value.isoformat()
        case timedelta():
            text = f"{value.total_seconds():f} s"
        case bytes() | bytearray() | memoryview():
            text = base64.b64encode(bytes(value)).decode("ascii")
        case Mapping() | Sequence() | set() | frozenset():
            text = _json_text(value)
        case _:
            text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(f"the text is not valid Unicode at character {error.start}") from error
    return text


def metadata_of(value: object) -> MetadataValue:
    """Return what a store can hold of a value without loss: text, a 63-bit integer, a finite float, a truth value.

    Everything else becomes its canonical text; NULL stays None, which is stored as "no value".

    Raises:
        RecordError: as `text_of`.
    """
    match value:
        case None | bool():
            return value
        case int() if abs(value) <= _LARGEST_INTEGER:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
    return text_of(value)


def _float_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _json_text(value: object) -> str:
    try:
        return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError, TypeError) as error:
        raise RecordError(f"the value cannot be written as JSON: {error}") from error


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case set() | frozenset():
            return sorted(text_of(item) for item in value)
        case str() | bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return text_of(value)
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            return text_of(value)
