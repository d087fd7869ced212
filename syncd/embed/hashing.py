"""Vectors from hashed words: no model, no download, the same on every machine."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from syncd.errors import Fault, RecordError
from syncd.model.fields import Model
from syncd.ports import Vectors

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\w+")
_VERSION = 1
_TRIGRAM_WEIGHT = 0.3
_SIGNATURE_NORM = 0.1


class HashingOptions(Model):
    """Options of the `hashing` embedder."""

    dimension: int = Field(default=256, ge=16, le=4096)
    """The length of the vectors, 16 to 4096; a larger one keeps more words apart and takes more space."""


class HashingEmbedder:
    """Embeds a text by the words and the letters it is made of.

    Texts that share words lie near each other, and no two different texts have the same vector. It knows nothing
    about meaning: use it for tests and dry runs.
    """

    Options = HashingOptions

    @classmethod
    def objection(cls, options: HashingOptions, configured: Sequence[BaseModel]) -> Fault | None:
        """Say what in the options must not come from a request: nothing."""
        return None

    def __init__(self, options: HashingOptions) -> None:
        self._dimension = options.dimension

    @property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors: the dimension and the version of this algorithm."""
        return f"hashing:{self._dimension}:{_VERSION}"

    @property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that is read whole: there is no real limit."""
        return 1_000_000_000

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's words and punctuation marks."""
        return [len(_TOKEN.findall(text)) for text in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order, of shape (len(texts), dimension).

        Raises:
            RecordError: a text is not valid Unicode.
        """
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def _vector(self, text: str) -> npt.NDArray[np.float64]:
        vector = _signature(text, self._dimension)
        features = [_features(word, self._dimension) for word in dict.fromkeys(_WORD.findall(text.lower()))]
        if features:
            positions = np.concatenate([positions for positions, _ in features])
            weights = np.concatenate([weights for _, weights in features])
            words = np.bincount(positions, weights=weights, minlength=self._dimension)
            norm = np.linalg.norm(words)
            if norm > 0:
                vector = vector + words / norm
        return vector / np.linalg.norm(vector)


def _signature(text: str, dimension: int) -> npt.NDArray[np.float64]:
    """Return a small vector of this text's own, so that texts of the same words still differ."""
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(f"the text is not valid Unicode at character {error.start}") from error
    noise = np.frombuffer(hashlib.shake_128(encoded).digest(dimension), dtype=np.uint8).astype(np.float64) - 127.5
    return noise * (_SIGNATURE_NORM / np.linalg.norm(noise))


@lru_cache(maxsize=65_536)
def _features(word: str, dimension: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return where a word and its trigrams fall in the vector, and with which signed weights.

    Long words weigh more than short ones, which say little about what a text is about.
    """
    padded = f"<{word[:64]}>"
    trigrams = [padded[start : start + 3] for start in range(len(padded) - 2)]
    hashes = [_hash(f"w{word}"), *(_hash(f"t{trigram}") for trigram in trigrams)]
    weights = [math.log(1 + len(word))] + [_TRIGRAM_WEIGHT] * len(trigrams)
    signs = [1.0 if value & 1 else -1.0 for value in hashes]
    positions = np.array([(value >> 1) % dimension for value in hashes], dtype=np.int64)
    return positions, np.array(weights) * np.array(signs)


def _hash(feature: str) -> int:
    return int.from_bytes(hashlib.blake2b(feature.encode("utf-8"), digest_size=8).digest(), "little")
