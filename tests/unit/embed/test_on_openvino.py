"""Batches of several calls are read in the order of the calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from syncd.embed import on_openvino
from syncd.embed.compiled import Batch
from syncd.embed.conversions import About, Converted
from syncd.embed.on_openvino import AT_ONCE, openvino, run_on_openvino

PATIENCE = 30


@pytest.fixture
def sums(tmp_path: Path) -> Converted:
    """A model that adds up what it reads."""
    ov = openvino()
    opset = import_module("openvino.opset13")
    ids, mask = (opset.parameter([-1, -1], np.int64) for _ in range(2))
    ids.output(0).get_tensor().set_names({"input_ids"})
    mask.output(0).get_tensor().set_names({"attention_mask"})
    read = opset.convert(opset.multiply(ids, mask), "f32")
    total = opset.reduce_sum(read, opset.constant([1]), keep_dims=True)
    ov.save_model(ov.Model([total], [ids, mask]), tmp_path / "model.xml", compress_to_fp16=False)
    return Converted(tmp_path, About(2, 0))


def _batch(number: int) -> Batch:
    return np.full((1, 2), number, np.int64), np.ones((1, 2), np.int64)


def test_a_call_that_comes_later_is_not_read_in_between(sums: Converted) -> None:
    """The vectors of the first call would otherwise come as late as those of the last."""
    run = run_on_openvino(sums, "fp32", 2)
    first_begun, second_begun = threading.Event(), threading.Event()

    def first() -> Iterator[Batch]:
        yield _batch(1)
        first_begun.set()
        assert not second_begun.wait(0.3), "the second call's batches are taken before the first call's are"
        yield _batch(2)

    def second() -> Iterator[Batch]:
        second_begun.set()
        yield _batch(3)

    def later() -> list[float]:
        assert first_begun.wait(PATIENCE)
        return [float(found[0, 0]) for found in run(second())]

    with ThreadPoolExecutor(1) as thread:
        answered = thread.submit(later)
        assert [float(found[0, 0]) for found in run(first())] == [2, 4]
        assert answered.result(PATIENCE) == [6]


def test_more_batches_than_are_under_way_at_once_come_in_order(sums: Converted) -> None:
    run = run_on_openvino(sums, "fp32", 2)
    count = 2 * AT_ONCE + 3
    assert [float(found[0, 0]) for found in run(map(_batch, range(count)))] == [2.0 * one for one in range(count)]
    assert list(run(iter(()))) == []


def test_an_openvino_that_does_not_know_a_setting_runs_the_model_without_it(
    sums: Converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is none that OpenVINO documents, and may go."""
    monkeypatch.setattr(on_openvino, "STEP_BY_STEP", {"NO_SUCH_SETTING": "DISABLE"})
    assert [float(found[0, 0]) for found in run_on_openvino(sums, "fp32", 1)(iter([_batch(7)]))] == [14]


def test_the_setting_is_known_to_the_openvino_that_is_installed() -> None:
    """Otherwise short texts take longer, and nothing else would tell."""
    ov = openvino()
    opset = import_module("openvino.opset13")
    read = opset.parameter([-1, 2], np.float32)
    core = ov.Core()
    core.compile_model(ov.Model([opset.relu(read)], [read]), "CPU", on_openvino.STEP_BY_STEP)
