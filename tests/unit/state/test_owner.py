"""A process's name tells whether it still lives, and never says so wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.state import is_alive, owner, owner_id


def test_this_process_is_alive_under_one_name() -> None:
    assert owner_id() == owner_id()
    assert is_alive(owner_id())
    boot, namespace, pid, started = owner_id().split(":")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert int(namespace) == Path("/proc/self/ns/pid").stat().st_ino
    assert int(pid) == os.getpid()
    assert int(started) > 0


def test_another_process_is_alive_until_it_is_killed_even_while_its_body_remains() -> None:
    code = "from syncd.state import owner_id; print(owner_id(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        assert name != owner_id()
        assert is_alive(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert "Z" in Path(f"/proc/{process.pid}/stat").read_text()
        assert not is_alive(name), "nobody has collected it yet"
        process.wait()
        assert not is_alive(name), "it is gone"


def test_a_reused_process_number_is_another_process() -> None:
    place, _, started = owner_id().rpartition(":")
    assert not is_alive(f"{place}:{int(started) - 1}")


@pytest.mark.parametrize("part", [0, 1])
def test_nothing_is_known_of_another_boot_or_container(part: int) -> None:
    parts = owner_id().split(":")
    parts[part] = "0" if part else "00000000-0000-0000-0000-000000000000"
    parts[2:] = ["4194304", "1"]
    assert is_alive(":".join(parts))


@pytest.mark.parametrize("name", ["", "host", "a:b:c:d", "6f1c1d1e-9f2b-4c43-8a6e-5f8f6d0c6f10"])
def test_nothing_is_known_of_a_name_of_another_kind(name: str) -> None:
    assert is_alive(name)


def test_without_proc_a_name_is_random_and_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = owner_id()
    monkeypatch.setattr(owner, "_PROC", tmp_path)
    assert owner_id() != owner_id()
    assert is_alive(owner_id())
    assert is_alive(real)
