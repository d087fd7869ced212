"""Converted models, kept in a folder: each is made once, and is there whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from syncd.embed.calibration import calibration
from syncd.embed.model_files import Original
from syncd.embed.quantize import SMOOTHING
from syncd.embed.sample import SAMPLE
from syncd.errors import PermanentError
from syncd.ports import Vectors

Backend = Literal["openvino", "onnx"]
Weights = Literal["fp32", "int8"]

REFUSED = 3
"""The exit status of a conversion that would fail again."""
_FORMAT = 1
_ABOUT = "about.json"
_ORIGINAL = "original.npy"
_MAKERS = {
    ("openvino", "fp32"): ("openvino",),
    ("openvino", "int8"): ("openvino", "nncf"),
    ("onnx", "fp32"): ("onnx", "onnxscript"),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What else must be known of a converted model: the longest text in tokens, the token that fills rows up."""

    max_tokens: int
    padding: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model's folder, and what its files say."""

    folder: Path
    about: About

    def original(self) -> Vectors:
        """Return the original model's vectors of the sample."""
        found: Vectors = np.load(self.folder / _ORIGINAL, allow_pickle=False)
        return found

    def is_intact(self) -> bool:
        """Tell whether the files are as they were made."""
        try:
            told = json.loads((self.folder / _ABOUT).read_text("utf-8"))["files"]
            return bool(told == _digests(self.folder))
        except (OSError, ValueError, KeyError):
            return False


class Conversions:
    """The converted models of a folder that belongs to this user alone.

    A conversion runs in a process of its own, whose memory goes with it, in a folder that takes its name when it is
    complete. Two processes that want the same one take turns, and the second finds it made.

    Args:
        folder: where to keep them; it is made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_or_make(self, original: Original, backend: Backend, weights: Weights) -> Converted:
        """Return a converted model.

        Raises:
            PermanentError: it cannot be converted, or the folder cannot be used.
        """
        name = _name(original, backend, weights)
        found = self._find(name)
        if found is not None:
            return found
        with self._turn(name):
            return self._find(name) or self._make(name, original, backend, weights)

    def discard(self, damaged: Converted) -> None:
        """Remove a converted model, so that it is made anew."""
        shutil.rmtree(damaged.folder, ignore_errors=True)

    def _find(self, name: str) -> Converted | None:
        folder = self._folder / name
        try:
            told = json.loads((folder / _ABOUT).read_text("utf-8"))
            return Converted(folder, About(told["max_tokens"], told["padding"]))
        except (OSError, ValueError, KeyError):
            return None

    def _make(self, name: str, original: Original, backend: Backend, weights: Weights) -> Converted:
        refused = self._folder / f"{name}.refused"
        if refused.exists():
            raise PermanentError(
                f"it cannot be converted: {refused.read_text('utf-8')}", f"remove {refused} to try again"
            )
        _log.info("converting the model %s for %s, once", original.model, backend)
        # Under the lock, what a process that was killed has left is nobody's.
        for left in self._folder.glob(f"{name}.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{name}.partial-", dir=self._folder))
        try:
            self._convert(original, backend, weights, partial, refused)
            shutil.rmtree(self._folder / name, ignore_errors=True)
            partial.rename(self._folder / name)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        made = self._find(name)
        if made is None:
            raise PermanentError(f"what was made in {self._folder / name} is gone", "let one syncd at a time use it")
        return made

    def _convert(self, original: Original, backend: Backend, weights: Weights, into: Path, refused: Path) -> None:
        order = json.dumps({**asdict(original), "backend": backend, "weights": weights, "into": str(into)})
        # -P: without it, modules in the working directory would go before the installed ones.
        command = [sys.executable, "-P", "-W", "ignore", "-m", "syncd.embed.convert", order]
        ended = subprocess.run(  # noqa: S603  (the interpreter itself, and nothing that a shell would read)
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, umask=0o077
        )
        if ended.returncode == 0:
            return
        reason = (ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"])[-1]
        if ended.returncode == REFUSED:
            refused.write_text(reason, "utf-8")
        raise PermanentError(f"it cannot be converted: {reason}", "set backend to torch, or another model")

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Hold the lock on a converted model; the kernel lets go of it with the process."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_own(self._folder)
            file = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def complete(folder: Path, about: About, original: Vectors) -> None:
    """Write down what a conversion has made, as its last step."""
    np.save(folder / _ORIGINAL, original, allow_pickle=False)
    (folder / _ABOUT).write_text(json.dumps({**asdict(about), "files": _digests(folder)}), "utf-8")


def _name(original: Original, backend: Backend, weights: Weights) -> str:
    makers = [str(_FORMAT), *SAMPLE, *(version(maker) for maker in _MAKERS[backend, weights])]
    if weights == "int8":
        makers += [str(SMOOTHING), *calibration()]
    return f"{original.key}-{backend}-{weights}-{hashlib.sha256(' '.join(makers).encode()).hexdigest()[:8]}"


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for file in sorted(folder.iterdir()):
        if file.name != _ABOUT:
            with file.open("rb") as stream:
                found[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def _require_own(folder: Path) -> None:
    """Refuse a folder in which somebody else could put a model in place of ours."""
    found = folder.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermanentError(
            f"{folder} for converted models belongs to another user, or others may write to it",
            "give the embedder's cache a folder of its own, with mode 0700",
        )


def _unusable(folder: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"{folder} for converted models cannot be used: {error.strerror or error}",
        "give the embedder's cache a folder that can be written",
    )
