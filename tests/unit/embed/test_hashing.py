"""The hashing embedder is the same on every machine, today and tomorrow."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from syncd.embed.hashing import HashingEmbedder, HashingOptions


def test_vectors_do_not_change_between_releases() -> None:
    """A changed algorithm needs a changed version in the fingerprint."""
    embedder = HashingEmbedder(HashingOptions())
    assert embedder.fingerprint == "hashing:256:1"
    [vector] = embedder.embed(["The quick brown fox"])
    assert [int(position) for position in np.argsort(-np.abs(vector))[:4]] == [172, 10, 33, 75]


def test_different_texts_have_different_vectors() -> None:
    """Also texts of the same words in another order, case or spacing."""
    texts = ["a b c", "c b a", "A b c", "a b  c", "a b c ", "a b c.", "", " ", "!", "?", *map(str, range(2000))]
    vectors = HashingEmbedder(HashingOptions()).embed(texts)
    assert len({vector.tobytes() for vector in vectors}) == len(texts)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, 0)
    assert similarity.max() < 0.9999


def test_dimension() -> None:
    """Vectors have the length that was asked for, and the fingerprint tells it."""
    embedder = HashingEmbedder(HashingOptions(dimension=64))
    assert embedder.embed(["x"]).shape == (1, 64)
    assert embedder.fingerprint == "hashing:64:1"


@pytest.mark.parametrize("dimension", [0, 15, 5000])
def test_bad_dimensions(dimension: int) -> None:
    """Too short ones say nothing, too long ones only cost."""
    with pytest.raises(ValidationError):
        HashingOptions(dimension=dimension)
