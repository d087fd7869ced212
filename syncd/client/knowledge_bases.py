"""Knowledge bases: which there are, and what is in them by meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from syncd.client.connection import Connection, part
from syncd.client.values import Scalar


class Embedder(TypedDict):
    """What turns texts into vectors."""

    type: str
    model: str | None


class KnowledgeBase(TypedDict):
    """A knowledge base, and how it stands; `embedding` and `chunks` are None while it is not open."""

    name: str
    type: str
    origin: str
    embedder: Embedder
    embedding: str | None
    chunks: int | None
    jobs: list[str]


class Generation(TypedDict):
    """A generation of a knowledge base; `waits_for` says, while it is being filled, what each job lacks."""

    id: str
    state: str
    embedding: str
    chunks: int | None
    created_at: str | None
    waits_for: dict[str, str]


class KnowledgeBaseDetail(KnowledgeBase):
    """A knowledge base with its generations; they are None while it is not open."""

    generations: Sequence[Generation] | None


class Rebuild(TypedDict):
    """A rebuild that goes on: whether it is new, what it fills, the runs that do so, and the jobs that have ended."""

    new: bool
    generation: Generation
    runs: Sequence[str]
    left_out: Sequence[str]


class Match(TypedDict):
    """A chunk that was found; a score of 1 is equal in meaning."""

    id: str
    score: float
    text: str
    metadata: dict[str, Scalar]


class KnowledgeBases:
    """The knowledge bases of a daemon. Every call raises as `Connection.ask` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[KnowledgeBase]:
        """Yield the knowledge bases by name."""
        yield from self._connection.pages("/v1/knowledge-bases")

    def get(self, name: str) -> KnowledgeBaseDetail:
        """Return a knowledge base with its generations."""
        found: KnowledgeBaseDetail = self._connection.get(f"/v1/knowledge-bases/{part(name)}")
        return found

    def rebuild(self, name: str, *, from_existing: bool = False) -> Rebuild:
        """Fill a new generation of a knowledge base by the configuration's embedding, unless that goes on already.

        Args:
            name: the knowledge base.
            from_existing: whether to keep vectors where text and embedding are the same.
        """
        body = {"from_existing": from_existing}
        begun: Rebuild = self._connection.post(f"/v1/knowledge-bases/{part(name)}/rebuild", body)
        return begun

    def drop_generation(self, name: str, generation: str) -> None:
        """Remove a generation with all that it holds."""
        self._connection.ask("DELETE", f"/v1/knowledge-bases/{part(name)}/generations/{part(generation)}")

    def search(self, name: str, query: str, k: int = 5, where: Mapping[str, Scalar] | None = None) -> Sequence[Match]:
        """Return the chunks nearest in meaning to a text, nearest first.

        Args:
            name: the knowledge base.
            query: the text.
            k: how many chunks at most, up to 100.
            where: metadata that they must equal, by column.
        """
        body = {"query": query, "k": k, "where": where or {}}
        found: Sequence[Match] = self._connection.post(f"/v1/knowledge-bases/{part(name)}/search", body)["data"]
        return found
