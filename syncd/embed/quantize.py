"""Has a converted model compute in eight bits, as far as its vectors bear it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from syncd.embed.calibration import calibration

_ATTENTION = "ScaledDotProductAttention"
SMOOTHING = 0.7
"""How much of what sticks out of the numbers between two layers the next layer's weights take on, from 0 to 1
(SmoothQuant, https://arxiv.org/abs/2211.10438); 0.6 and 0.8 cost texts in Arabic and Japanese a cosine of 0.01."""


def quantized(model: Any, inputs: Callable[[str], Any], near: Callable[[Any], bool]) -> Any:
    """Return the model with weights of eight bits, and with matrices multiplied in eight bits where `near` allows it.

    It does not on processors without instructions for that: there sums overflow.

    Args:
        model: in OpenVINO.
        inputs: makes of a text what the model reads.
        near: tells whether a quantized model's vectors are near enough to the original's.

    Raises:
        ValueError: they never are.
    """
    import nncf

    whole = nncf.quantize(
        model.clone(),
        nncf.Dataset(list(calibration()), inputs),
        subset_size=len(calibration()),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(types=[_ATTENTION], names=_readers_of_attention(model), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING)
        ),
    )
    if near(whole):
        return whole
    light = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    if near(light):
        return light
    raise ValueError("with weights of eight bits its vectors are not near enough to the original's")


def _readers_of_attention(model: Any) -> list[str]:
    """Name the products that read what attention found.

    They are a twelfth of the work; in eight bits they cost one word over and over a cosine of 0.03, and short
    questions 0.005.
    """
    names = []
    following = [node for node in model.get_ops() if node.get_type_name() == _ATTENTION]
    while following:
        for node in _after(following.pop()):
            if node.get_type_name() == "MatMul":
                names.append(node.get_friendly_name())
            else:
                following.append(node)
    return names


def _after(node: Any) -> Sequence[Any]:
    return [place.get_node() for output in node.outputs() for place in output.get_target_inputs()]
