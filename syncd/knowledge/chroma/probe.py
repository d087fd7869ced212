"""Asks a collection whether it answers."""

from __future__ import annotations

from typing import Any


def glance(collection: Any) -> None:
    """Ask each kind of question once; raises what the store raises."""
    if collection.count() == 0:
        return
    found = collection.get(limit=1, include=["embeddings"])
    collection.query(query_embeddings=found["embeddings"], n_results=1, include=["distances"])
