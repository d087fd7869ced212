"""Models as they come, in torch."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from syncd.embed.sample import SAMPLE, Precision, fault
from syncd.embed.vectors import unit
from syncd.errors import PermanentError, TransientError
from syncd.ports import Vectors


class TorchModel:
    """Embeds texts with the model's own `encode`, which sorts them by length and pads each batch to its longest.

    Args:
        model: the model's folder, or its name on the hub.
        revision: the commit or tag, for a name.
        local: it is a folder, and the hub is not asked.
        device: where it runs, None for the best that is there.
        precision: what it computes in.
        batch_size: how many texts it reads at once.

    Raises:
        PermanentError: in this precision, its vectors are not those of the model.
    """

    def __init__(
        self, model: str, revision: str | None, local: bool, device: str | None, precision: Precision, batch_size: int
    ) -> None:
        self._batch_size = batch_size
        self._encoding = threading.Lock()
        with _quiet():
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(
                model,
                revision=revision,
                device=device,
                # Without this, a model that lies here is looked for on the hub as well.
                local_files_only=local,
            )
        if precision == "bf16":
            self._narrow()

    @property
    def model(self) -> Any:
        """What sentence-transformers has loaded."""
        return self._model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order.

        Raises:
            TransientError: the model failed, for want of memory for example.
        """
        if not texts:
            return np.empty((0, self._model.get_embedding_dimension() or 0), dtype=np.float32)
        try:
            # It changes its tokenizer's settings for each call; shared with another, that raises "Already borrowed".
            with self._encoding:
                vectors = self._model.encode(
                    list(texts),
                    batch_size=self._batch_size,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
        except RuntimeError as error:
            raise TransientError(f"the model failed: {error}", "when memory ran out, lower batch_size") from error
        # Here, because in bf16 the model's own division leaves lengths of 0.996 to 1.004.
        return unit(np.asarray(vectors, dtype=np.float32))

    def _narrow(self) -> None:
        exact = self.embed(SAMPLE)
        self._model.bfloat16()
        differs = fault(self.embed(SAMPLE), exact, "bf16")
        if differs is not None:
            raise PermanentError(differs, "set precision to auto or fp32")


def has_accelerator() -> bool:
    """Tell whether torch would run a model elsewhere than on the CPU."""
    from sentence_transformers.util import get_device_name

    return str(get_device_name()) != "cpu"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and advice for developers off the user's terminal."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
