"""Which backend runs a model: the fastest of those that may, whose vectors are the model's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from syncd.embed.compiled import CompiledModel, Run
from syncd.embed.conversions import Backend, Conversions, Converted
from syncd.embed.model_files import Original
from syncd.embed.processors import processors
from syncd.embed.sample import SAMPLE, Precision, fault
from syncd.embed.tokens import Tokens
from syncd.errors import PermanentError
from syncd.ports import Vectors

Choice = tuple[Literal["openvino", "onnx", "torch"], Precision]

CHOICES: tuple[Choice, ...] = (
    ("openvino", "bf16"),
    ("openvino", "fp32"),
    ("torch", "fp32"),
    ("onnx", "fp32"),
)
"""What `auto` may take, the fastest first, as `benchmarks.embedding` has measured.

torch in bf16 is not among them: its vectors are too near to the bound."""
ON_REQUEST: tuple[Choice, ...] = (("torch", "bf16"), ("openvino", "int8"))

_NEEDED = {
    ("openvino", "int8"): ("openvino", "nncf"),
    ("openvino", "bf16"): ("openvino",),
    ("openvino", "fp32"): ("openvino",),
    ("onnx", "fp32"): ("onnxruntime", "onnx", "onnxscript"),
}
_ACCELERATORS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """A loaded model."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order."""
        ...


def choices(backend: str, precision: str) -> list[Choice]:
    """Return what a configuration allows, in the order in which to try it; nothing for what does not exist."""
    matching = [
        one
        for one in (*CHOICES, *ON_REQUEST)
        if backend in {"auto", one[0]} and (precision == one[1] or (precision == "auto" and one in CHOICES))
    ]
    # int8 of one backend is not that of another, so that nobody gets one or the other by what is installed.
    return [one for one in matching if one[1] != "int8" or backend == one[0]]


def missing(choice: Choice) -> list[str]:
    """Return the packages that a choice needs and that are not installed."""
    return [name for name in _NEEDED.get(choice, ()) if find_spec(name) is None]


def runs_on_cpu(device: str | None) -> bool:
    """Tell whether a model that is to run on this device, None for the best there is, runs on the CPU.

    Where the machine shows no accelerator, torch is not loaded to say so.
    """
    if device is not None:
        return device == "cpu"
    if sys.platform == "linux" and not any(Path(file).exists() for file in _ACCELERATORS):
        return True
    from syncd.embed.on_torch import has_accelerator

    return not has_accelerator()


@dataclass(frozen=True, slots=True)
class Converter:
    """Loads converted models, and believes none before its vectors were compared with the original's.

    Args:
        conversions: where they are kept.
        original: the model.
        tokens: of its tokenizer, None where only torch has it.
    """

    conversions: Conversions
    original: Original
    tokens: Tokens | None

    def load(self, backend: Backend, precision: Precision) -> Engine:
        """Return a model that has passed; one whose files are damaged is converted once more.

        Raises:
            PermanentError: it cannot be converted, or its vectors are not the original's.
        """
        converted = self._converted(backend, precision)
        try:
            return self._checked(converted, backend, precision)
        except PermanentError:
            if converted.is_intact():
                raise
        _log.warning("the converted model in %s is damaged, and is made anew", converted.folder)
        self.conversions.discard(converted)
        return self._checked(self._converted(backend, precision), backend, precision)

    def _converted(self, backend: Backend, precision: Precision) -> Converted:
        return self.conversions.find_or_make(self.original, backend, "int8" if precision == "int8" else "fp32")

    def _checked(self, converted: Converted, backend: Backend, precision: Precision) -> Engine:
        try:
            engine = CompiledModel(converted, _run(converted, backend, precision), self.tokens)
            differs = fault(engine.embed(SAMPLE), converted.original(), precision)
        except PermanentError:
            raise
        except Exception as error:  # a damaged file makes a runtime raise what it likes
            raise PermanentError(f"the converted model in {converted.folder} cannot be loaded: {error}") from error
        if differs is not None:
            raise PermanentError(
                f"the converted model in {converted.folder} is not used: {differs}",
                "set precision to auto" if precision == "int8" else "set backend to auto or torch",
            )
        return engine


def _run(converted: Converted, backend: Backend, precision: Precision) -> Run:
    if backend == "openvino":
        from syncd.embed.on_openvino import run_on_openvino

        return run_on_openvino(converted, precision, processors())
    from syncd.embed.on_onnx import run_on_onnx

    return run_on_onnx(converted, processors())
