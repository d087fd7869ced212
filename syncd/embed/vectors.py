"""Vectors of length 1."""

from __future__ import annotations

import numpy as np

from syncd.ports import Vectors


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors, one a row, each at length 1; one of zeros stays so."""
    found: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found
