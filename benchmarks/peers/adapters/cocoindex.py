"""CocoIndex: every row is looked at on every run, and what did not change is remembered; LanceDB behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.adapters.command import TABLE, Adapter, counted, main


class CocoIndex(Adapter):
    """Its example of PostgreSQL as a source, with its example of LanceDB as a target."""

    def prepare(self, warm: bool) -> None:
        """Import the libraries; the embedder loads its model when it is first asked."""
        import sentence_transformers  # noqa: F401
        from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder

        from benchmarks.peers.adapters.cocoindex_flow import catch_up

        counted()
        self._catch_up = catch_up
        self._embedder = SentenceTransformerEmbedder(str(self.model))
        if warm:
            self._embedder._get_model()

    def sync(self) -> None:
        """Catch up with the table."""
        self._catch_up(self.database, self.store, self._embedder)

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk."""
        from benchmarks.peers.adapters import lance

        return lance.chunks(self.store / "lance", TABLE, "key", "text", "embedding")

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        from benchmarks.peers.adapters import lance

        lance.lose(self.store / "lance", TABLE, "key", keys)


if __name__ == "__main__":
    main(CocoIndex, ["cocoindex", "lancedb", "sentence-transformers"])
