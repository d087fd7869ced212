"""Has a converted model multiply its matrices in eight bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from syncd.embed.calibration import calibration

SMOOTHING = 0.7
"""How much of what sticks out of the numbers between two layers the next layer's weights take on, from 0 to 1
(SmoothQuant, https://arxiv.org/abs/2211.10438); 0.6 and 0.8 cost texts in Arabic and Japanese a cosine of 0.01."""
_ATTENTION = "ScaledDotProductAttention"
_SHAPING = {"Reshape", "Transpose", "Squeeze", "Unsqueeze"}


def quantized(model: Any, inputs: Callable[[str], Any]) -> Any:
    """Return the model with weights, and what they are multiplied with, in eight bits.

    Args:
        model: in OpenVINO.
        inputs: makes of a text what the model reads.
    """
    import nncf

    texts = list(calibration())
    return nncf.quantize(
        model,
        nncf.Dataset(texts, inputs),
        subset_size=len(texts),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(types=[_ATTENTION], names=list(_readers_of_attention(model)), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING)
        ),
    )


def _readers_of_attention(model: Any) -> Iterator[str]:
    """Name the products that read what attention found.

    They are a twelfth of the work; in eight bits they cost one word over and over a cosine of 0.03, and short
    questions 0.005.
    """
    following = [node for node in model.get_ops() if node.get_type_name() == _ATTENTION]
    while following:
        for output in following.pop().outputs():
            for node in (place.get_node() for place in output.get_target_inputs()):
                if node.get_type_name() == "MatMul":
                    yield node.get_friendly_name()
                elif node.get_type_name() in _SHAPING:
                    following.append(node)
