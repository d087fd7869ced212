"""Vectors from a sentence-transformers model on this machine."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field, model_validator

from syncd.embed.conversions import Conversions
from syncd.embed.engines import Choice, Converter, Engine, choices, missing, runs_on_cpu
from syncd.embed.idle import Idle, StartTimer, start_timer
from syncd.embed.model_files import (
    MINILM,
    ModelFolder,
    Original,
    is_minilm,
    model_folder,
    on_the_hub,
    require_convertible,
)
from syncd.embed.processors import Incapable
from syncd.embed.sample import Precision
from syncd.embed.texts import require_unicode
from syncd.errors import Fault, PermanentError
from syncd.model.fields import Duration, Model
from syncd.model.schedule import parse_duration
from syncd.ports import Vectors

if TYPE_CHECKING:
    from syncd.embed.on_torch import TorchModel
    from syncd.embed.tokens import Tokens

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
    """How many texts torch reads at once; on a CPU, larger batches are slower. OpenVINO and ONNX Runtime read 768
    tokens at a time, whatever this says."""

    backend: Literal["auto", "openvino", "onnx", "torch"] = "auto"
    """What runs the model. `auto` takes the fastest that is installed and whose vectors are the original's, at a cosine
    of at least 0.9999; on anything but a CPU that is torch. `openvino` and `onnx` run it on the CPU."""

    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """What it computes in; `bf16` needs a processor that has it. `auto` never takes `int8`, which is faster still on
    processors that multiply in eight bits and have no AMX, takes less than a third of the space, needs a `backend`, and
    changes the vectors a little, so that they are an embedding of their own."""

    cache: str | None = Field(default=None, min_length=1)
    """The folder for converted models, which OpenVINO and ONNX Runtime need; `syncd` in `$XDG_CACHE_HOME`, or in
    `~/.cache`, when left out. What is in it may be removed at any time."""

    unload_after: Duration | None = None
    """How long the model may idle before its memory is given back; it stays when left out."""

    @model_validator(mode="after")
    def _require_possible(self) -> SentenceTransformerOptions:
        if not choices(self.backend, self.precision):
            raise ValueError(_impossible(self.backend, self.precision))
        if self.device not in {None, "cpu"} and self.backend in {"openvino", "onnx"}:
            raise ValueError(
                f"backend {self.backend} runs models on the CPU: leave device out, or set backend to torch"
            )
        return self


def _impossible(backend: str, precision: str) -> str:
    if backend == "auto":
        return "int8 needs a backend, because its vectors differ between them: set backend to openvino"
    can = [one for one in ("fp32", "bf16", "int8") if choices(backend, one)]
    return f"backend {backend} does not compute in {precision}, but in {' or '.join(can)}"


class SentenceTransformerEmbedder:
    """Embeds texts by meaning; the model loads when the first text is embedded."""

    Options = SentenceTransformerOptions

    @classmethod
    def objection(cls, options: SentenceTransformerOptions, configured: Sequence[BaseModel]) -> Fault | None:
        """Say what in the options must not come from a request: any model that the configuration does not vouch for.

        A request can neither have files of this machine read or written nor a model downloaded.
        """
        packaged = is_minilm(options.model) and options.revision is None
        vouched = _HUB_NAME.fullmatch(options.model) is not None and any(
            isinstance(one, SentenceTransformerOptions)
            and (one.model, one.revision) == (options.model, options.revision)
            for one in configured
        )
        if options.cache is not None:
            return Fault("cache", "must be left out: a request names no folder of this machine")
        if (packaged or vouched) and not Path(options.model).exists():
            return None
        return Fault(
            "model",
            f"must be {MINILM}, or with its revision a name on the hub that the configuration uses: "
            "a request names no path, and no model that would be downloaded",
        )

    def __init__(self, options: SentenceTransformerOptions, start_timer: StartTimer = start_timer) -> None:
        self._options = options
        self._loading = threading.RLock()
        after = None if options.unload_after is None else parse_duration(options.unload_after)
        self._engine = Idle(self._load, after, start_timer)

    @cached_property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors; a local model by the hash of its files, wherever they lie.

        Raises:
            PermanentError: the model or its backend is not on this machine, or the model is not the one it should be.
        """
        self._require_installed()
        # Only int8 changes vectors by more than rounding does, and each backend's in its own way.
        ending = f"unit:w8a8-{self._options.backend}" if self._options.precision == "int8" else "unit"
        if self._folder is None:
            return f"sentence-transformers:{self._options.model}@{self._options.revision or 'main'}:{ending}"
        return f"sentence-transformers:sha256-{self._digest}:{ending}"

    @cached_property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that the model reads whole.

        Raises:
            PermanentError: the model cannot be loaded.
        """
        told = self._folder.max_tokens() if self._folder is not None else None
        return told or int(self._torch_model().model.max_seq_length)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens as the model would, its special tokens included, and none cut off.

        Raises:
            PermanentError: the tokenizer cannot be loaded.
            RecordError: a text is not valid Unicode.
        """
        require_unicode(texts)
        return [len(ids) for ids in self._tokens.of(texts)]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order, of shape (len(texts), dimension).

        Equal texts are embedded once. Safe to call from several threads.

        Raises:
            PermanentError: the model cannot be loaded or is not what the configuration says.
            TransientError: the model failed, for want of memory for example.
            RecordError: a text is not valid Unicode.
        """
        require_unicode(texts)
        places: dict[str, int] = {}
        for text in texts:
            places.setdefault(text, len(places))
        with self._engine.lend() as engine:
            vectors = engine.embed(list(places))
        return vectors[[places[text] for text in texts]]

    @cached_property
    def _folder(self) -> ModelFolder | None:
        return model_folder(self._options.model, self._options.revision)

    @cached_property
    def _digest(self) -> str:
        assert self._folder is not None
        return self._folder.digest()

    @property
    def _tokens(self) -> Tokens:
        with self._loading:
            return self._loaded_tokens

    def _require_installed(self) -> None:
        """Tell at once what a backend that was named lacks."""
        backend, precision = self._options.backend, self._options.precision
        if backend == "auto":
            return
        lacking = missing(choices(backend, precision)[-1])
        if lacking:
            raise PermanentError(
                f"backend {backend} needs what is not installed: {', '.join(lacking)}",
                f"install it with pip install 'syncd[{backend}]', or set backend to auto",
            )

    def _load(self) -> Engine:
        """Load the model by the first way that works; where none is left, the last one's error stands."""
        _ = self.fingerprint  # checks the weights before they are used
        allowed = choices(self._options.backend, self._options.precision)
        if self._options.backend == "auto" and not runs_on_cpu(self._options.device):
            allowed = [one for one in allowed if one[0] == "torch"]
        *first, last = [one for one in allowed if not missing(one)] or allowed[-1:]
        for choice in first:
            try:
                return self._loaded(choice)
            except PermanentError as error:
                level = logging.INFO if isinstance(error, Incapable) else logging.WARNING
                _log.log(level, "%s in %s does not run the model %s: %s", *choice, self._options.model, error)
        return self._loaded(last)

    def _loaded(self, choice: Choice) -> Engine:
        backend, precision = choice
        with self._loadable():
            if backend == "torch":
                engine: Engine = self._torch_model(precision)
            else:
                engine = self._converter.load(backend, precision)
        _log.info("the model %s is loaded, in %s with %s", self._options.model, precision, backend)
        return engine

    @cached_property
    def _converter(self) -> Converter:
        if self._folder is not None:
            modules, tokens = self._folder.path / "modules.json", self._tokens
            original = Original(str(self._folder.path), None, self._digest)
        else:
            tokens = None
            original, modules = on_the_hub(self._options.model, self._options.revision)
        require_convertible(modules)
        return Converter(Conversions(_cache(self._options.cache)), original, tokens)

    def _torch_model(self, precision: Precision = "fp32") -> TorchModel:
        from syncd.embed.on_torch import TorchModel

        local = self._folder is not None
        return TorchModel(
            str(self._folder.path) if self._folder is not None else self._options.model,
            self._options.revision,
            local,
            "cpu" if self._options.backend != "torch" and runs_on_cpu(self._options.device) else self._options.device,
            precision,
            self._options.batch_size,
        )

    @cached_property
    def _loaded_tokens(self) -> Tokens:
        """Return a tokenizer of our own that cuts nothing off; torch is only needed when the folder has no file."""
        with self._loadable():
            from tokenizers import Tokenizer

            from syncd.embed.tokens import Tokens

            file = self._folder.path / "tokenizer.json" if self._folder is not None else None
            if file is not None and file.is_file():
                tokenizer = Tokenizer.from_file(str(file))
            else:
                tokenizer = Tokenizer.from_str(self._torch_model().model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return Tokens(tokenizer)

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


def _cache(configured: str | None) -> Path:
    if configured is not None:
        return Path(configured).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "syncd"
