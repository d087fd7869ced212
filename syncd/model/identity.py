"""The name under which a row lives in a knowledge base: the same row, the same id, for ever.

    orders_db.orders:42            an integer key
    crm.public.people:"ann",u6f…   a composite key of a text and a UUID

Every type writes itself differently, so `1`, `'1'` and `b'1'` cannot meet, and no choice of values makes two
keys read alike. A chunk's id is the document's id, `#`, and the chunk's number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

from syncd.errors import RecordError
from syncd.model.record import Key, KeyValue


def encode_key_value(value: KeyValue) -> str:
    """Write one key value so that its type and its value can be told apart from all others.

    Raises:
        RecordError: for NULL, for text that is not Unicode, and for types that cannot be a key.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case str():
            if not _is_unicode(value):
                raise RecordError("a key column holds text that is not valid Unicode")
            return json.dumps(value, ensure_ascii=False)
        case bytes() | bytearray() | memoryview():
            return "x" + bytes(value).hex()
        case UUID():
            return f"u{value}"
        case datetime():
            return "t" + (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date():
            return "d" + value.isoformat()
        case time():
            return "c" + value.isoformat()
        case timedelta():
            return f"i{value // timedelta(microseconds=1)}"
        case Decimal():
            if not value.is_finite():
                raise RecordError("a key column is not a finite number")
            return f"n{_plain(value)}"
        case float():
            return f"f{value!r}"
        case None:
            raise RecordError("a key column is NULL")
    raise RecordError(f"a key column has the type {type(value).__name__}, which cannot be a key")


def encode_key(key: Key) -> str:
    """Write a whole key, its values separated by commas; injective over all keys.

    Raises:
        RecordError: as `encode_key_value`.
    """
    return ",".join(encode_key_value(value) for value in key)


def decode_key(text: str) -> Key:
    """Return the key values that `encode_key` wrote.

    Raises:
        ValueError: the text is none that it writes.
    """
    values: list[KeyValue] = []
    position = 0
    while True:
        if text[position : position + 1] == '"':
            value, position = _JSON.raw_decode(text, position)
        else:
            end = text.find(",", position)
            written = text[position : len(text) if end < 0 else end]
            value, position = _decode_value(written), position + len(written)
        values.append(value)
        if position == len(text):
            return tuple(values)
        if text[position] != ",":
            raise ValueError(f"{text!r} is no key")
        position += 1


def _decode_value(text: str) -> KeyValue:
    if text in {"true", "false"}:
        return text == "true"
    reader = _READERS.get(text[:1])
    try:
        return int(text) if reader is None else reader(text[1:])
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is no key value") from error


_JSON = json.JSONDecoder()
_READERS: dict[str, Callable[[str], KeyValue]] = {
    "x": bytes.fromhex,
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "c": time.fromisoformat,
    "i": lambda text: timedelta(microseconds=int(text)),
    "n": Decimal,
    "f": float,
}


def document_id(source: str, key: Key) -> str:
    """Return the id of a row's document.

    Args:
        source: the table as the job names it, `database.table` or `database.schema.table`.
        key: the row's key values.

    Raises:
        RecordError: as `encode_key_value`.
    """
    return document_prefix(source) + encode_key(key)


def document_prefix(source: str) -> str:
    """Return what the ids of all documents of a source start with."""
    return quote(source, safe="._-") + ":"


def key_of(document: str) -> str:
    """Return the encoded key that a document's id ends with."""
    return document.partition(":")[2]


def chunk_id(document: str, number: int) -> str:
    """Return the id of a document's chunk; numbers start at 0."""
    return f"{document}#{number}"


def document_of(chunk: str) -> str:
    """Return the id of the document that a chunk id belongs to."""
    return chunk.rpartition("#")[0]


def number_of(chunk: str) -> int:
    """Return the number that a chunk id ends with; -1 where it ends with none."""
    text = chunk.rpartition("#")[2]
    return int(text) if text.isdecimal() else -1


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
