"""Converted models in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.embed.compiled import Batch, Run
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

    def run(batches: Iterable[Batch]) -> Iterator[Vectors]:
        for ids, mask in batches:
            yield session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    return run
