"""`syncd demo` from an empty folder, with the real model, on a few modules so that it takes seconds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from syncd.config.load import load
from syncd.plugins import Plugins
from tests.integration.cli.conftest import Shop, clean_environ

MODULES = ("argparse", "threading", "zipfile", "difflib", "queue")
_SMALL_LIBRARY = """
import sys, sysconfig
library = sys.argv.pop(1)
sysconfig.get_path = lambda name: library
from syncd.cli import main
main()
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A standard library of a few modules."""
    folder = tmp_path / "library"
    folder.mkdir()
    for name in MODULES:
        source = Path(sysconfig.get_path("stdlib"), f"{name}.py")
        if source.exists():
            shutil.copy2(source, folder)
        else:
            shutil.copytree(source.with_suffix(""), folder / name)
    return folder


def demo(folder: Path, library: Path) -> str:
    """Run the demo in a folder, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_LIBRARY, str(library), "demo", "--directory", str(folder)],
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_syncs_finds_syncs_again_for_nothing_and_then_three_changed_rows(tmp_path: Path, library: Path) -> None:
    folder = tmp_path / "demo"
    said = demo(folder, library)
    [rows] = map(int, re.findall(r"python_docs, (\d+) rows", said))
    assert 100 < rows < 1000
    embedded = re.findall(r"sync_python_docs: completed .* ([\d,]+) embedded", said)
    assert embedded == [str(rows), "0", "3"]
    assert "zipfile.ZipFile.namelist" in said.partition("? open a zip")[2].partition("?")[0]
    assert "argparse" in said.partition("? parse command")[2].partition("?")[0]
    assert f"cd {folder}" in said
    [hint] = re.findall(r"^  (syncd status.*?)(?:  +#.*)?$", said, re.MULTILINE)
    assert "completed" in Shop(folder).syncd(*hint.split()[1:]).stdout
    again = demo(folder, library)
    assert re.findall(r"sync_python_docs: completed .* ([\d,]+) embedded", again) == ["3", "0", "3"]


def test_it_defines_the_job_that_the_example_configuration_defines() -> None:
    """So `syncd run` on the example goes on where the demo ended, and embeds nothing twice."""
    root = Path(__file__).parents[3]
    options_for = Plugins().options_for
    example = load(root / "config", {}, options_for)
    ours = load(root / "syncd/demo/syncd.yaml", {}, options_for)
    assert ours.jobs == example.jobs
    assert ours.knowledge_bases == example.knowledge_bases
    assert (ours.state, ours.databases) == (example.state, example.databases)
