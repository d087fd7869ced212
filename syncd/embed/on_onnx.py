"""Converted models in ONNX Runtime."""

from __future__ import annotations

from syncd.embed.compiled import Ids, Run
from syncd.embed.conversions import Converted
from syncd.ports import Vectors


def run_on_onnx(converted: Converted, threads: int) -> Run:
    """Return what runs a converted model."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(converted.folder / "model.onnx"), settings, providers=["CPUExecutionProvider"]
    )

    def run(ids: Ids, mask: Ids) -> Vectors:
        found: Vectors = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return found

    return run
