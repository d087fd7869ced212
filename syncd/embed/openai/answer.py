"""Reads the vectors out of a server's answer, which may be anything."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from syncd.embed.openai.endpoint import parsed
from syncd.errors import PermanentError, RecordError
from syncd.ports import Vectors

BYTES_PER_VECTOR = 256 * 1024
"""What an answer may have for each vector: 8,192 numbers as JSON writes them at their longest."""

_HINT = "check the embedder's url and its server"

Numbers = npt.NDArray[np.float64]


def vectors_of(content: bytes, texts: int, place: str) -> Vectors:
    """Return the unit vector of each text, in the order of the request, whatever the answer's is.

    Args:
        content: the answer's body.
        texts: how many were sent.
        place: the server, for messages.

    Raises:
        PermanentError: the answer is not one vector for each text, all of one length.
        RecordError: a vector is not finite, or is zero.
    """
    told = parsed(content)
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise PermanentError(f"{place} answers with something else than embeddings", _HINT)
    if len(data) != texts:
        raise PermanentError(f"{place} answers {len(data)} vectors for {texts} texts", _HINT)
    by_index = {one.get("index"): one for one in data if type(one.get("index")) is int}
    if by_index.keys() != set(range(texts)):
        raise PermanentError(f"{place} does not say which vector is whose: each index must be there once", _HINT)
    vectors = [_numbers(by_index[index].get("embedding"), place) for index in range(texts)]
    if len({len(vector) for vector in vectors}) != 1:
        raise PermanentError(f"{place} answers vectors of different lengths", _HINT)
    return _unit(np.stack(vectors), place)


def _numbers(embedding: Any, place: str) -> Numbers:
    try:
        if isinstance(embedding, str):
            found = np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
        else:
            # Some servers write null for what is not a number.
            found = np.array([np.nan if one is None else one for one in embedding])
    except (ValueError, TypeError) as error:
        raise PermanentError(f"{place} answers a vector that cannot be read", _HINT) from error
    if found.ndim != 1 or not found.size or found.dtype.kind not in "fiu":
        raise PermanentError(f"{place} answers a vector that is not a list of numbers", _HINT)
    return found.astype(np.float64)


def _unit(vectors: Numbers, place: str) -> Vectors:
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise RecordError(f"{place} answers a vector that is not finite, or zero")
        unit: Vectors = (vectors / lengths).astype(np.float32)
        return unit
