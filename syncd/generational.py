"""What a knowledge base may offer besides its port: to be filled anew while it serves, and to say that it is worn."""

from __future__ import annotations

from typing import Protocol

from syncd.model.generation import Generation
from syncd.ports import KnowledgeBase


class Generational(KnowledgeBase, Protocol):
    """A knowledge base that may hold several generations; by itself it is the one that served when it was opened.

    At most one is serving and one filling. A process that dies in the middle of any call leaves the generations as they
    were before it or as they are after it, at the latest once the knowledge base is opened again.
    """

    def generations(self) -> list[Generation]:
        """Return all generations as they are now, also when another process changed them."""
        ...

    def generation(self, uuid: str) -> KnowledgeBase:
        """Return one of them, which stays the same whatever becomes of it, and is closed with this knowledge base.

        Raises:
            NotFound: there is none.
        """
        ...

    def describe(self, recipe: str) -> None:
        """Remember how the embedder of the generation that this is is made."""
        ...

    def begin(self, embedding: str, recipe: str, *, recalls: bool) -> Generation:
        """Make an empty generation to be filled, durably, and return it; if there is one already, return that."""
        ...

    def swap(self, uuid: str) -> None:
        """Let the filling generation serve, durably, unless it does so already; of those that served keep the last.

        Raises:
            NotFound: there is no such generation.
        """
        ...

    def drop(self, uuid: str) -> None:
        """Remove a generation with all that it holds, unless it is gone already.

        Raises:
            Conflict: it serves.
        """
        ...


class Wearing(KnowledgeBase, Protocol):
    """A knowledge base that becomes worse with use, and better when it is opened again."""

    def is_worn(self) -> bool:
        """Tell whether it should be opened again as soon as nobody uses it; asked after each use, so quickly."""
        ...
