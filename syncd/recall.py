"""Takes vectors that a knowledge base holds already, in place of embedding a text once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from syncd.model.record import Chunk, StoredDocument
from syncd.ports import KnowledgeBase

_NORM_TOLERANCE = 1e-3


class Recall:
    """Finds the chunks of documents in generations of the same embedding.

    Args:
        generations: where to look, in this order; open as long as this is used.
    """

    def __init__(self, generations: Sequence[KnowledgeBase] = ()) -> None:
        self._generations = generations

    def __call__(self, contents: Mapping[str, str]) -> dict[str, tuple[Chunk, ...]]:
        """Return the chunks, in order, of those of these documents that are held whole and were made of the same text.

        Args:
            contents: for each document the hash of its text.

        Raises:
            TransientError: a generation does not answer.
        """
        found: dict[str, tuple[Chunk, ...]] = {}
        for generation in self._generations:
            missing = [id_ for id_ in contents if id_ not in found]
            held = generation.fingerprints(missing)
            same = [id_ for id_, print_ in held.items() if print_.content == contents[id_]]
            for id_, document in generation.stored(same).items() if same else ():
                if _is_sound(document):
                    found[id_] = tuple(Chunk(one.text, one.vector) for _, one in sorted(document.chunks.items()))
        return found


def _is_sound(document: StoredDocument) -> bool:
    """Tell whether a document has all of its chunks, each with a vector such as an embedder makes.

    A damaged index answers with memory that nobody wrote.
    """
    vectors = [chunk.vector for chunk in document.chunks.values()]
    if sorted(document.chunks) != list(range(document.size)) or len({len(vector) for vector in vectors}) != 1:
        return False
    norms = np.linalg.norm(np.array(vectors, dtype=np.float64), axis=1)
    return bool(np.all(np.abs(norms - 1) < _NORM_TOLERANCE))
