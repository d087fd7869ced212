"""A run whose parts are all on this machine speaks to nobody beyond it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.services import program
from tests.world import World

_CONNECTED = re.compile(r"connect\(\d+, \{sa_family=(\w+)(.*?)\}")


@pytest.fixture
def strace() -> str:
    """The program strace."""
    return program("strace", "strace")


def test_no_connection_leads_beyond_this_machine(tmp_path: Path, sqlite_url: str, strace: str) -> None:
    """Libraries that would report on their use are kept from it."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 50)
    trace = tmp_path / "trace"
    watched = [strace, "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(trace), *world.command("sync", "copy")]
    ended = subprocess.run(watched, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr
    reached = _CONNECTED.findall(trace.read_text())
    assert [place for place in reached if place[0] != "AF_UNIX"] == []
    assert "AF_INET" not in trace.read_text()
    world.assert_in_step()
