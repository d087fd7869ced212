"""Converts a model: `python -m syncd.embed.convert ORDER`, in a process that ends with it.

It traces the model's own modules, so that pooling and normalisation are converted as they are, and leaves in the folder
that the order names: the converted model, its tokenizer, what must be known of it, and the original's vectors of the
sample. It exits with the status `REFUSED`, and the reason on the last line of stderr, when it would fail again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from syncd.embed.conversions import REFUSED, About, Weights, complete
from syncd.embed.on_openvino import openvino
from syncd.embed.quantize import quantized
from syncd.embed.sample import SAMPLE
from syncd.embed.vectors import unit

_INPUTS = ("input_ids", "attention_mask")
_OUTPUT = "sentence_embedding"
_EXAMPLES = ("hello world", "a longer text than that")


class _Whole(torch.nn.Module):  # type: ignore[misc]  # torch is not looked into
    """All of a model's modules, from token ids to the vector."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self._model({"input_ids": input_ids, "attention_mask": attention_mask})[_OUTPUT]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model that is converted.

    Args:
        whole: from token ids to the vector.
        tokenizer: the model's own.
        longest: how many tokens the model reads.
    """

    whole: _Whole
    tokenizer: Any
    longest: int

    def inputs(self, texts: Sequence[str], kind: Literal["np", "pt"]) -> dict[str, Any]:
        """Return what the model reads of some texts, as numpy's arrays or torch's."""
        read = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.longest, return_tensors=kind)
        return {name: read[name] for name in _INPUTS}


def convert(order: dict[str, Any]) -> None:
    """Convert one model.

    Args:
        order: `model` and `revision` of the original, `backend`, `weights`, and `into`, an empty folder.

    Raises:
        ValueError: the model needs more than its tokens.
    """
    model = SentenceTransformer(order["model"], revision=order["revision"], device="cpu")
    if model.default_prompt_name is not None:
        raise ValueError("it puts a prompt before each text")
    into = Path(order["into"])
    longest = int(model.max_seq_length)
    tokenizer = _save_tokenizer(model, longest, into)
    reference = unit(np.asarray(model.encode(list(SAMPLE), show_progress_bar=False), np.float32))
    subject = _Subject(_Whole(model).eval(), tokenizer, longest)
    with torch.no_grad():
        _EXPORTS[order["backend"]](subject, into, order["weights"])
    complete(into, About(longest, int(tokenizer.pad_token_id)), reference)


def _save_tokenizer(model: Any, longest: int, into: Path) -> Any:
    from tokenizers import Tokenizer

    own = model.tokenizer
    tokenizer = Tokenizer.from_str(own.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    tokenizer.save(str(into / "tokenizer.json"))
    return own


def _to_openvino(subject: _Subject, into: Path, weights: Weights) -> None:
    ov = openvino()
    converted = ov.convert_model(subject.whole, example_input=subject.inputs(_EXAMPLES, "pt"))
    if weights == "int8":
        converted = quantized(converted, lambda text: subject.inputs([text], "np"))
    ov.save_model(converted, into / "model.xml", compress_to_fp16=False)


def _to_onnx(subject: _Subject, into: Path, _weights: Weights) -> None:
    rows, tokens = torch.export.Dim("rows", min=1), torch.export.Dim("tokens", min=2)
    torch.onnx.export(
        subject.whole,
        tuple(subject.inputs(_EXAMPLES, "pt").values()),
        into / "model.onnx",
        input_names=list(_INPUTS),
        output_names=[_OUTPUT],
        dynamic_shapes=({0: rows, 1: tokens}, {0: rows, 1: tokens}),
        dynamo=True,
        external_data=False,
    )


_EXPORTS = {"openvino": _to_openvino, "onnx": _to_onnx}


def main() -> int:
    """Carry out the order on the command line."""
    try:
        convert(json.loads(sys.argv[1]))
    except (ImportError, OSError, MemoryError):
        raise  # the next time may be better
    except Exception as error:  # the libraries raise whatever they cannot translate makes them raise
        sys.stderr.write(f"\n{' '.join(str(error).split())[:500] or type(error).__name__}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
