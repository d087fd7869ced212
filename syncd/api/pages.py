"""Lists in pages: an opaque cursor says where the next one starts."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from syncd.model.fields import NAME_PATTERN

T = TypeVar("T")
R = TypeVar("R")

_LARGEST = 2**63 - 1
_SCHEMA = WithJsonSchema({"type": "string"})


class Paging(BaseModel):
    """How much of a list to give; parameters that are not known are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    """How many entries at most."""


class Listed(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    data: list[T]
    next_cursor: str | None
    """Ask again with this `cursor` for the next page; null on the last one."""
    has_more: bool


def listed(
    found: Sequence[R], limit: int, mark: Callable[[R], str], show: Callable[[R], T], request: Request, answer: Response
) -> Listed[T]:
    """Make a page of what was found, and name the next page in the answer's `Link` header (RFC 8288).

    Args:
        found: the entries in order; one more than `limit` where there are more.
        limit: how many to show.
        mark: returns the cursor after an entry.
        show: returns an entry as it is told.
        request: the request that is answered.
        answer: gets the header.
    """
    shown = found[:limit]
    more = len(found) > limit
    cursor = mark(shown[-1]) if more else None
    if cursor is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        answer.headers["Link"] = f'<{request.url.path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'
    return Listed(data=[show(entry) for entry in shown], next_cursor=cursor, has_more=more)


def cursor(kind: str, value: int | str) -> str:
    """Return the cursor after the entry of that number or name, in a list of that kind."""
    return urlsafe_b64encode(f"{kind}:{value}".encode()).decode("ascii").rstrip("=")


def _place(kind: str, text: object) -> str:
    try:
        padded = str(text).encode("ascii") + b"=="
        found, _, place = urlsafe_b64decode(padded).decode("utf-8").partition(":")
    except (ValueError, binascii.Error):
        found, place = "", ""
    if found != kind:
        raise ValueError("must be a next_cursor that this list gave")
    return place


def _number(kind: str) -> Callable[[object], int]:
    def read(text: object) -> int:
        place = _place(kind, text)
        if not (place.isdecimal() and len(place) < 20 and int(place) <= _LARGEST):
            raise ValueError("must be a next_cursor that this list gave")
        return int(place)

    return read


JobCursor = Annotated[int, BeforeValidator(_number("jobs")), _SCHEMA]
LineCursor = Annotated[int, BeforeValidator(_number("lines")), _SCHEMA]
VersionCursor = Annotated[int, BeforeValidator(_number("versions")), _SCHEMA]
RunCursor = Annotated[int, BeforeValidator(_number("runs")), _SCHEMA]
TokenCursor = Annotated[int, BeforeValidator(_number("tokens")), _SCHEMA]
WebhookCursor = Annotated[int, BeforeValidator(_number("webhooks")), _SCHEMA]
DeliveryCursor = Annotated[int, BeforeValidator(_number("deliveries")), _SCHEMA]
NameCursor = Annotated[
    str, Field(pattern=NAME_PATTERN), BeforeValidator(lambda text: _place("knowledge-bases", text)), _SCHEMA
]
DeadLetterCursor = Annotated[str, BeforeValidator(lambda text: _place("dead-letters", text)), _SCHEMA]
DatabaseCursor = Annotated[
    str, Field(pattern=NAME_PATTERN), BeforeValidator(lambda text: _place("databases", text)), _SCHEMA
]


def table_cursor(place: tuple[str, str]) -> str:
    """Return the cursor after the table of that schema and name."""
    return cursor("tables", json.dumps(place))


def _table_place(text: object) -> tuple[str, str]:
    try:
        match json.loads(_place("tables", text)):
            case [str(schema), str(name)]:
                return schema, name
    except RecursionError:
        pass
    raise ValueError("must be a next_cursor that this list gave")


TableCursor = Annotated[tuple[str, str], BeforeValidator(_table_place), _SCHEMA]
