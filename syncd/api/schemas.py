"""What the API takes and gives, as JSON."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, PlainValidator, WithJsonSchema

from syncd.model.fields import Column, Model
from syncd.model.record import Match, MetadataValue
from syncd.model.schedule import as_utc
from syncd.telemetry import hide_passwords

Moment = Annotated[datetime, AfterValidator(as_utc)]
"""A time that is told in UTC, with a Z."""


EXAMPLE_JOB: dict[str, JsonValue] = {
    "source_table": "shop.orders",
    "kb_name": "orders_kb",
    "content_columns": ["product", "description"],
    "filter_column": "created_at",
    "interval": "10 MINUTES",
}
"""The fields that every job has, as the description shows them."""


def example(**fields: JsonValue) -> ConfigDict:
    """Return a configuration with which the description shows a model with these fields filled in."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Shown(BaseModel):
    """Something that the API tells."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Detail(Shown):
    """One thing that is wrong, and where."""

    field: str | None
    """The field or parameter, null when it is none of them."""
    message: str


class Fault(Shown):
    """Why a request was not done."""

    code: str
    """The same for the same kind of error, for programs to decide by."""
    message: str
    details: list[Detail]


class Problem(Shown):
    """What every answer that is not a success looks like."""

    error: Fault
    request_id: str
    """Also in the header X-Request-Id and in the log."""


class Health(Shown):
    """Answered as long as the process answers."""

    status: Literal["ok", "ready"]


def _scalar(value: object) -> MetadataValue:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("must be text, a number of at most 64 bits, true, false or null")


class SearchRequest(Model):
    """What to look for in a knowledge base."""

    model_config = example(query="a lamp that warms", k=3)

    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    """The text that the answers shall be near to in meaning."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """How many chunks at most."""
    where: Annotated[
        dict[
            Column,
            Annotated[
                MetadataValue,
                PlainValidator(_scalar),
                WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
            ],
        ],
        Field(default_factory=dict, max_length=32),
    ]
    """Metadata that the chunks must equal, by column."""


class MatchView(Shown):
    """A chunk that was found."""

    id: str
    score: float
    """The cosine similarity to the query; 1 is equal."""
    text: str
    metadata: dict[str, MetadataValue]

    @classmethod
    def of(cls, match: Match) -> MatchView:
        """Show a match."""
        return cls(id=match.id, score=match.score, text=match.text, metadata=dict(match.metadata))


class Found(Shown):
    """The chunks nearest to a query, nearest first."""

    data: list[MatchView]


def safe(text: str | None) -> str | None:
    """Return a message without passwords."""
    return None if text is None else hide_passwords(text)
