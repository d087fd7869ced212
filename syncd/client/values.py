"""What several of a daemon's answers are made of.

Answers are plain dictionaries whose fields an editor knows. A newer daemon may tell more, and that is in the dictionary
too. Times are texts in ISO 8601, in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

Scalar = str | int | float | bool | None
Time = datetime | str
"""A moment that is sent: ISO 8601, or a datetime; without a zone it is UTC."""


class Counted(TypedDict):
    """What a run did, in rows, documents and chunks."""

    records_read: int
    embedded: int
    recalled: int
    inserted: int
    metadata_updated: int
    unchanged: int
    deleted: int
    dead_lettered: int
    chunks: int
    truncated_tokens: int
    swept: int
    repaired: int


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
