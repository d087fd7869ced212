"""Which backend and precision are taken, and how many processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncd.embed import engines
from syncd.embed.engines import Choice, choices, runs_on_cpu
from syncd.embed.processors import processors
from syncd.embed.sentence_transformers import SentenceTransformerOptions


@pytest.mark.parametrize(
    ("backend", "precision", "expected"),
    [
        ("auto", "auto", [("openvino", "bf16"), ("openvino", "fp32"), ("torch", "fp32"), ("onnx", "fp32")]),
        ("auto", "fp32", [("openvino", "fp32"), ("torch", "fp32"), ("onnx", "fp32")]),
        ("auto", "bf16", [("openvino", "bf16"), ("torch", "bf16")]),
        ("openvino", "auto", [("openvino", "bf16"), ("openvino", "fp32")]),
        ("openvino", "int8", [("openvino", "int8")]),
        ("onnx", "int8", []),
        ("torch", "auto", [("torch", "fp32")]),
        ("auto", "int8", []),
        ("torch", "int8", []),
        ("onnx", "bf16", []),
    ],
)
def test_the_fastest_comes_first_and_int8_only_by_name(backend: str, precision: str, expected: list[Choice]) -> None:
    """Whatever is not named is never int8."""
    assert choices(backend, precision) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "set backend to openvino"),
        ({"backend": "torch", "precision": "int8"}, "backend torch does not compute in int8, but in fp32 or bf16"),
        ({"backend": "onnx", "precision": "bf16"}, "backend onnx does not compute in bf16, but in fp32"),
        ({"backend": "openvino", "device": "cuda"}, "runs models on the CPU"),
        ({"unload_after": "soon"}, "not a duration"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, str], message: str) -> None:
    """The message says what can."""
    with pytest.raises(ValidationError, match=message):
        SentenceTransformerOptions.model_validate(options)


def test_a_device_that_is_named_decides() -> None:
    """Only the CPU is one that converted models run on."""
    assert runs_on_cpu("cpu")
    assert not runs_on_cpu("cuda:1")


def test_torch_is_asked_where_the_machine_has_an_accelerator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A device file alone does not say that this build of torch can use it."""
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(engines, "_ACCELERATORS", (str(tmp_path / "nvidia0"),))
    from sentence_transformers.util import get_device_name

    assert runs_on_cpu(None) is (get_device_name() == "cpu")


@pytest.mark.parametrize(
    ("quota", "expected"), [("50000 100000\n", 1), ("100000 100000", 1), ("max 100000\n", None), ("nonsense", None)]
)
def test_a_containers_quota_counts(quota: str, expected: int | None, tmp_path: Path) -> None:
    """A quota below the processors that there are is the limit; none, or an unreadable one, changes nothing."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert processors(file) == (expected or len(os.sched_getaffinity(0)))
    assert processors(tmp_path / "missing") == len(os.sched_getaffinity(0))
