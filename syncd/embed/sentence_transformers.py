"""Vectors from a sentence-transformers model on this machine."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from syncd.embed.model_files import MINILM, ModelFolder, is_minilm, model_folder
from syncd.errors import Fault, PermanentError, RecordError, TransientError
from syncd.model.fields import Model
from syncd.ports import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,95})?")

_log = logging.getLogger(__name__)


class SentenceTransformerOptions(Model):
    """Options of the `sentence-transformers` embedder."""

    model: str = Field(default=MINILM, min_length=1)
    """The model: `all-MiniLM-L6-v2` as installed by `syncd[minilm]`, the path of a model's folder, or a name on the
    Hugging Face hub, which is downloaded when it is first used."""

    revision: str | None = Field(default=None, min_length=1)
    """A commit or tag of a hub model. Give one for every hub model: without it, vectors made before and after a
    change on the hub would meet unnoticed."""

    device: str | None = Field(default=None, min_length=1)
    """Where the model runs: `cpu`, `cuda`, `cuda:1`, `mps`; the best that is there when left out."""

    batch_size: int = Field(default=32, ge=1, le=4096)
    """How many texts the model reads at once; on a CPU, larger batches are slower."""


class SentenceTransformerEmbedder:
    """Embeds texts by meaning; the model loads when the first text is embedded."""

    Options = SentenceTransformerOptions

    @classmethod
    def objection(cls, options: SentenceTransformerOptions, configured: Sequence[BaseModel]) -> Fault | None:
        """Say what in the options must not come from a request: any model that the configuration does not vouch for.

        A request can neither have files of this machine read nor a model downloaded.
        """
        packaged = is_minilm(options.model) and options.revision is None
        vouched = _HUB_NAME.fullmatch(options.model) is not None and any(
            isinstance(one, SentenceTransformerOptions)
            and (one.model, one.revision) == (options.model, options.revision)
            for one in configured
        )
        if (packaged or vouched) and not Path(options.model).exists():
            return None
        return Fault(
            "model",
            f"must be {MINILM}, or with its revision a name on the hub that the configuration uses: "
            "a request names no path, and no model that would be downloaded",
        )

    def __init__(self, options: SentenceTransformerOptions) -> None:
        self._options = options
        self._loading = threading.RLock()
        self._encoding = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors; a local model by the hash of its files, wherever they lie.

        Raises:
            PermanentError: the model is not on this machine, or is not the one it should be.
        """
        if self._folder is None:
            return f"sentence-transformers:{self._options.model}@{self._options.revision or 'main'}:unit"
        return f"sentence-transformers:sha256-{self._folder.digest()}:unit"

    @cached_property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that the model reads whole.

        Raises:
            PermanentError: the model cannot be loaded.
        """
        told = self._folder.max_tokens() if self._folder is not None else None
        return told or int(self._model.max_seq_length)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens as the model would, its special tokens included, and none cut off.

        Raises:
            PermanentError: the tokenizer cannot be loaded.
            RecordError: a text is not valid Unicode.
        """
        _require_unicode(texts)
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order, of shape (len(texts), dimension).

        Safe to call from several threads; they take turns.

        Raises:
            PermanentError: the model cannot be loaded or is not what the configuration says.
            TransientError: the model failed, for want of memory for example.
            RecordError: a text is not valid Unicode.
        """
        _require_unicode(texts)
        model = self._model
        if not texts:
            return np.empty((0, model.get_embedding_dimension() or 0), dtype=np.float32)
        try:
            # A tokenizer that two threads share raises "Already borrowed".
            with self._encoding:
                vectors = model.encode(
                    list(texts),
                    batch_size=self._options.batch_size,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    normalize_embeddings=True,
                )
        except RuntimeError as error:
            raise TransientError(
                f"the model {self._options.model} failed: {error}", "when memory ran out, lower batch_size"
            ) from error
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _folder(self) -> ModelFolder | None:
        return model_folder(self._options.model, self._options.revision)

    @property
    def _model(self) -> SentenceTransformer:
        with self._loading:
            return self._loaded_model

    @property
    def _tokenizer(self) -> Tokenizer:
        with self._loading:
            return self._loaded_tokenizer

    @cached_property
    def _loaded_model(self) -> SentenceTransformer:
        _ = self.fingerprint  # checks the weights before they are used
        _log.info("loading the model %s", self._options.model)
        with self._loadable(), _quiet():
            from sentence_transformers import SentenceTransformer

            return SentenceTransformer(
                str(self._folder.path) if self._folder is not None else self._options.model,
                revision=self._options.revision,
                device=self._options.device,
                # Without this, a model that lies here is looked for on the hub as well.
                local_files_only=self._folder is not None,
            )

    @cached_property
    def _loaded_tokenizer(self) -> Tokenizer:
        """Return a tokenizer of our own that cuts nothing off; torch is only needed when the folder has no file."""
        with self._loadable():
            from tokenizers import Tokenizer

            file = self._folder.path / "tokenizer.json" if self._folder is not None else None
            if file is not None and file.is_file():
                tokenizer = Tokenizer.from_file(str(file))
            else:
                tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @contextmanager
    def _loadable(self) -> Iterator[None]:
        try:
            yield
        except PermanentError:
            raise
        except Exception as error:  # the libraries raise whatever a broken file makes them raise
            raise PermanentError(
                f"the model {self._options.model} cannot be loaded: {error}",
                "check its name or folder; pip install 'syncd[minilm]' brings a model that needs no download",
            ) from error


def _require_unicode(texts: Sequence[str]) -> None:
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RecordError(f"the text is not valid Unicode at character {error.start}") from error


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
