"""Dead letters as JSON: what is told, and what is asked for."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from syncd.api.schemas import Moment, Shown, safe
from syncd.model.fields import Model
from syncd.model.run import DeadLetter

MOST_KEYS = 500

Key = Annotated[str, Field(min_length=1)]


class DeadLetterView(Shown):
    """A row that could not be synced."""

    key: str
    """The row's key, as its document's id ends with it; the row's values where they are no key."""
    reason: str
    attempts: int
    """How often it was tried."""
    first_seen: Moment
    last_seen: Moment
    """When it was tried last."""

    @classmethod
    def of(cls, letter: DeadLetter) -> DeadLetterView:
        """Show a dead letter."""
        return cls(
            key=letter.key,
            reason=safe(letter.reason) or "",
            attempts=letter.attempts,
            first_seen=letter.first_seen,
            last_seen=letter.last_seen,
        )


class Replay(Model):
    """Which dead letters to read once more: some by their keys, or all."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["keys"]},
                {"required": ["all"]},
            ],
            "examples": [{"all": True}],
        }
    )

    keys: Annotated[list[Key], Field(min_length=1, max_length=MOST_KEYS, default_factory=list)]
    """The keys, as the list tells them."""
    all: Annotated[bool, Field(json_schema_extra={"const": True})] = False
    """True for every dead letter of the job."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.keys) == self.all or self.model_fields_set == {"keys", "all"}:
            raise ValueError("give either keys, or all: true")
        return self


class Discarded(Shown):
    """What was discarded."""

    discarded: int
    """How many dead letters."""
