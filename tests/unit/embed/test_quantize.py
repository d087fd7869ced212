"""A model multiplies in eight bits, but for what bears that the worst."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from syncd.embed.calibration import calibration
from syncd.embed.model_files import MINILM, model_folder
from syncd.embed.on_openvino import openvino
from syncd.embed.quantize import quantized
from syncd.embed.sample import SAMPLE

WIDTH = 8


@pytest.fixture
def model() -> Any:
    """Letters in, a vector out: an embedding, a product, attention, and the product that reads it."""
    ov = openvino()
    opset = import_module("openvino.opset13")
    random = np.random.default_rng(1)
    letters = opset.parameter([-1, -1], np.int64)
    letters.output(0).get_tensor().set_names({"letters"})
    table = opset.constant(random.standard_normal((256, WIDTH), np.float32))
    read = opset.gather(table, letters, opset.constant(0))
    before, after = (
        opset.constant(random.standard_normal((WIDTH, WIDTH), np.float32), name=name) for name in ("before", "after")
    )
    asked = opset.unsqueeze(opset.matmul(read, before, False, True, name="asks"), opset.constant(1))
    found = opset.scaled_dot_product_attention(asked, asked, asked)
    told = opset.matmul(opset.squeeze(found, opset.constant([1])), after, False, True, name="reads attention")
    return ov.Model([opset.reduce_mean(told, opset.constant([1]))], [letters])


def _letters(text: str) -> dict[str, Any]:
    return {"letters": np.frombuffer(text.encode()[:64] or b" ", np.uint8).astype(np.int64)[None]}


def _before(model: Any, name: str) -> str:
    """Return the kind of what an operation reads."""
    [found] = [node for node in model.get_ops() if node.get_friendly_name() == name]
    return str(found.input_value(0).get_node().get_type_name())


def test_matrices_are_multiplied_in_eight_bits_but_not_what_attention_found(model: Any) -> None:
    """Smoothing may stand before that too."""
    made = quantized(model, _letters)
    assert _before(made, "asks") == "FakeQuantize"
    assert _before(made, "reads attention") != "FakeQuantize"


def test_no_text_is_judged_by_what_it_was_calibrated_with() -> None:
    """Otherwise a conversion could be near there alone; what the model reads counts, not how it is written."""
    folder = model_folder(MINILM, None)
    assert folder is not None
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    read, judged = ({tuple(tokenizer.encode(text).ids) for text in texts} for texts in (calibration(), SAMPLE))
    assert not read & judged
    assert not any(sentence in text for text in calibration() for sentence in SAMPLE if len(sentence) > 20)
