"""The package in docs/plugins.md is real: it installs, passes the suites, and syncs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.docs.plugin import PAGE, install


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the page's package, to be put on the path."""
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    return folder


def _run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(installed), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


def test_the_examples_pass_the_suites(installed: Path) -> None:
    """Embedder, chunker and knowledge base keep every promise of their ports."""
    ended = _run(installed, installed, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests/test_extras.py")
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout


def test_the_configuration_syncs_a_folder(installed: Path, tmp_path: Path) -> None:
    """All four parts work together: files land, changed ones are noticed, a bad one is quarantined, search finds them."""
    [config] = blocks("yaml", page=PAGE)
    (tmp_path / "syncd.yaml").write_text(config.text)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "tea.txt").write_text("A pot of ginger tea for long evenings")
    (inbox / "boots.txt").write_text("Leather boots for heavy loads\n" * 40)
    checked = _run(installed, tmp_path, "syncd", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    first = _run(installed, tmp_path, "syncd", "sync", "--all")
    assert "2 read, 2 embedded" in first.stdout, first.stdout + first.stderr
    assert " 0 embedded" in _run(installed, tmp_path, "syncd", "sync", "--all").stdout
    (inbox / "tea.txt").write_text("A pot of mint tea")
    (inbox / "broken.txt").write_bytes(b"\xff")
    second = _run(installed, tmp_path, "syncd", "sync", "--all")
    assert second.returncode == 1
    assert "1 embedded" in second.stdout
    assert "1 dead letters" in second.stdout
    found = _run(installed, tmp_path, "syncd", "search", "notes_kb", "mint tea", "-k", "1")
    assert 'notes.inbox:"tea.txt"#0' in found.stdout
