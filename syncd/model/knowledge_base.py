"""A knowledge base that was made through the API, as it is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from syncd.model.fields import Model, Name


class KeptPart(Model):
    """One of its parts: by its options, or by the name of the knowledge base in the file that has the same one.

    The second keeps what only the file may say, secrets above all, out of the state.
    """

    of: Name | None = None
    """The knowledge base of the configuration whose part it is."""
    type: Annotated[str, Field(min_length=1)] | None = None
    """The part's type."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The type's options."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.of is None) == (self.type is None):
            raise ValueError("give either of or type")
        return self


class KnowledgeBaseDefinition(Model):
    """What it is made of."""

    store: KeptPart
    """Where it is kept."""
    embedder: KeptPart
    """What turns its texts into vectors."""
    chunking: KeptPart
    """What splits its texts."""


@dataclass(frozen=True, slots=True)
class KeptKnowledgeBase:
    """A definition under its name."""

    name: str
    definition: KnowledgeBaseDefinition
    created_at: datetime
