"""An environment of its own for each peer, made once and kept until its requirements change."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

ADAPTERS = Path(__file__).parent / "adapters"
SYNCD = "syncd"
PEERS = (SYNCD, "handwritten", "langchain", "llamaindex", "cocoindex", "dlt")
INSTALLING_SECONDS = 1800


class NotInstallable(Exception):
    """pip could not install what a peer needs here; says its last words."""


def python_of(peer: str, cache: Path) -> Path:
    """Return the interpreter of a peer's environment, made if need be; syncd has the one that this runs in.

    Raises:
        NotInstallable: its requirements cannot be had.
    """
    if peer == SYNCD:
        return Path(sys.executable)
    folder = cache / "environments" / peer
    python, stamp = folder / "bin" / "python", folder / "installed"
    requirements = ADAPTERS / "requirements"
    wanted = "".join((requirements / name).read_text() for name in ("common.txt", f"{peer}.txt"))
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"installing {peer} into {folder}: a few minutes, once", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements / f"{peer}.txt")]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=INSTALLING_SECONDS)
    if done.returncode:
        raise NotInstallable(done.stderr.strip().splitlines()[-1])
    stamp.write_text(digest)
    return python


def versions(peer: str, python: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the versions of a peer's libraries that matter."""
    asked = [str(python), "-m", f"benchmarks.peers.adapters.{peer}", "versions"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, str] = json.loads(done.stdout)
    return found
