"""Converted models in OpenVINO."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import ModuleType
from typing import Any, cast

from syncd.embed.compiled import Batch, Run
from syncd.embed.conversions import Converted
from syncd.embed.processors import Incapable
from syncd.embed.sample import Precision
from syncd.ports import Vectors

AT_ONCE = 32
"""How many batches of a call are handed over before the first one's vectors are fetched; each keeps some memory."""

NICE = 5
"""Above the process's own. The threads that read texts can wait, for they always have more to do; a writer that waited
for them would in the end keep them waiting, and so would whoever asks the API."""


STEP_BY_STEP = {"SNIPPETS_MODE": "DISABLE"}
"""Attention by a product, a softmax and a product. OpenVINO would fuse the three into one, which takes longer for short
texts, for it does each of many small pieces by itself: with AMX a model takes a sixth longer for 20 tokens, a fourth
for 12, and about as long for 128. The setting is none of those that OpenVINO documents."""


def openvino() -> Any:
    """Import OpenVINO without the package by which it reports to its makers, which it takes for not installed."""
    sys.modules["openvino_telemetry"] = cast(ModuleType, None)
    import openvino as imported

    return imported


def run_on_openvino(converted: Converted, precision: Precision, threads: int) -> Run:
    """Return what runs a converted model.

    Each thread reads a batch by itself: threads that shared one would wait for each other at every layer, and for
    whatever else keeps one of the processors busy. The batches are handed over together, so that these threads go on
    while Python is kept from running, as it is by every write to an embedded Chroma.

    Raises:
        Incapable: this processor does not compute in the precision that is asked for.
    """
    core = openvino().Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Incapable("this processor does not compute in bf16", "set precision to auto or fp32")
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # A thread that is bound to a processor waits for whatever else runs there, while another one idles.
        "ENABLE_CPU_PINNING": False,
    }
    if precision != "int8":
        settings["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[precision]
    model = core.read_model(converted.folder / "model.xml")
    with ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICE,)) as humble:
        compiled = humble.submit(_compiled, core, model, settings).result()
    idle: list[Any] = []
    turn = threading.Lock()

    def run(batches: Iterable[Batch]) -> Iterator[Vectors]:
        left = iter(batches)
        busy: deque[Any] = deque()
        try:
            # Calls that took turns batch by batch would all end at once, the first as late as the last.
            with turn:
                for batch in islice(left, AT_ONCE):
                    busy.append(begun(batch))
            while busy:
                yield finished(busy.popleft())
                busy.extend(map(begun, islice(left, 1)))
        finally:
            for request in busy:
                request.wait()

    def begun(batch: Batch) -> Any:
        try:
            request = idle.pop()
        except IndexError:
            request = compiled.create_infer_request()
        ids, mask = batch
        request.start_async({"input_ids": ids, "attention_mask": mask})
        return request

    def finished(request: Any) -> Vectors:
        request.wait()
        found: Vectors = request.get_output_tensor(0).data.copy()
        idle.append(request)
        return found

    return run


def _compiled(core: Any, model: Any, settings: dict[str, Any]) -> Any:
    try:
        return core.compile_model(model, "CPU", settings | STEP_BY_STEP)
    except RuntimeError:  # this OpenVINO does not know it; what else is wrong is raised again
        return core.compile_model(model, "CPU", settings)
