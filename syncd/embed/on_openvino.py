"""Converted models in OpenVINO."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, cast

from syncd.embed.compiled import Ids, Run
from syncd.embed.conversions import Converted
from syncd.embed.sample import Precision
from syncd.errors import PermanentError
from syncd.ports import Vectors


def openvino() -> Any:
    """Import OpenVINO without the package by which it reports to its makers, which it takes for not installed."""
    sys.modules["openvino_telemetry"] = cast(ModuleType, None)
    import openvino as imported

    return imported


def run_on_openvino(converted: Converted, precision: Precision, threads: int) -> Run:
    """Return what runs a converted model.

    Raises:
        PermanentError: this processor does not compute in the precision that is asked for.
    """
    core = openvino().Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise PermanentError("this processor does not compute in bf16", "set precision to auto or fp32")
    settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    if precision != "int8":
        settings["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[precision]
    model = core.read_model(converted.folder / "model.xml")
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(ids: Ids, mask: Ids) -> Vectors:
        found: Vectors = request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)[0]
        return found

    return run
