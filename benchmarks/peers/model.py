"""The model that everybody uses, and that the oracle asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.peers.oracle import Vectors
from syncd.embed.model_files import MINILM, model_folder


class Model:
    """all-MiniLM-L6-v2 as its package brings it; a text is embedded once however often it is asked for."""

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        found = model_folder(MINILM, None)
        assert found is not None
        self.folder = found.path
        self._model = SentenceTransformer(str(self.folder), local_files_only=True)
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return each text's vector."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            vectors = self._model.encode(new, normalize_embeddings=True, show_progress_bar=False)
            self._known |= dict(zip(new, vectors, strict=True))
        return np.asarray([self._known[text] for text in texts], dtype=np.float32)
