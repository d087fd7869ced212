"""Converts a model: `python -m syncd.embed.convert ORDER`, in a process that ends with it.

It traces the model's own modules, so that pooling and normalisation are converted as they are, and leaves in the folder
that the order names: the converted model, its tokenizer, what must be known of it, and the original's vectors of the
sample. It exits with the status `REFUSED`, and the reason on the last line of stderr, when it would fail again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from syncd.embed.conversions import REFUSED, About, complete
from syncd.embed.on_openvino import openvino
from syncd.embed.sample import SAMPLE

_INPUTS = ("input_ids", "attention_mask")
_OUTPUT = "sentence_embedding"


class _Whole(torch.nn.Module):  # type: ignore[misc]  # torch is not looked into
    """All of a model's modules, from token ids to the vector."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self._model({"input_ids": input_ids, "attention_mask": attention_mask})[_OUTPUT]


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
    tokenizer = _save_tokenizer(model, into)
    reference = model.encode(list(SAMPLE), normalize_embeddings=True, show_progress_bar=False)
    example = tokenizer(["hello world", "a longer text than that"], padding=True, return_tensors="pt")
    with torch.no_grad():
        _EXPORTS[order["backend"]](
            _Whole(model).eval(), tuple(example[name] for name in _INPUTS), into, order["weights"]
        )
    complete(into, About(int(model.max_seq_length), int(tokenizer.pad_token_id)), np.asarray(reference, np.float32))


def _save_tokenizer(model: Any, into: Path) -> Any:
    from tokenizers import Tokenizer

    own = model.tokenizer
    tokenizer = Tokenizer.from_str(own.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(model.max_seq_length))
    tokenizer.save(str(into / "tokenizer.json"))
    return own


def _to_openvino(whole: _Whole, example: tuple[Any, ...], into: Path, weights: str) -> None:
    ov = openvino()
    converted = ov.convert_model(whole, example_input=dict(zip(_INPUTS, example, strict=True)))
    if weights == "int8":
        import nncf

        # Activations stay as they are: quantized too, they cost plain questions a cosine of 0.1.
        converted = nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_SYM)
    ov.save_model(converted, into / "model.xml", compress_to_fp16=False)


def _to_onnx(whole: _Whole, example: tuple[Any, ...], into: Path, _weights: str) -> None:
    rows, tokens = torch.export.Dim("rows", min=1), torch.export.Dim("tokens", min=2)
    torch.onnx.export(
        whole,
        example,
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
