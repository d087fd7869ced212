"""A generation of a knowledge base: all of its documents, by one embedding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class GenerationState(StrEnum):
    """What a generation is there for."""

    SERVING = "serving"
    """Searches find what is in it."""
    FILLING = "filling"
    """Runs fill it, and it takes the serving one's place when it is complete."""
    FORMER = "former"
    """It has served; a rebuild can take vectors from it."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a knowledge base says about one of its generations.

    Args:
        uuid: the `Identity.uuid` of what it holds.
        embedding: the fingerprint of the embedder and chunker that fill it.
        recipe: how its embedder is made, without secrets; empty where nobody has said it.
        recalls: whether vectors of other generations are taken into it, where they are the same.
        created_at: None where it does not say.
    """

    uuid: str
    embedding: str
    state: GenerationState
    recipe: str = ""
    recalls: bool = False
    created_at: datetime | None = None
