"""Names a process so that another one on the same machine can tell whether it still lives."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

_PROC = Path("/proc")
_DEAD = frozenset("ZXx")


def owner_id() -> str:
    """Return this process's name for leases: `bootid:pidns:pid:starttime`.

    No two processes ever share one, restarts, containers and reused process numbers included; a host name would not
    do, as containers restart under the same one. Where there is no /proc it is a random name, new at each call, so
    ask once for each process.
    """
    pid = os.getpid()
    place, process = _place(), _process(pid)
    if place is None or process is None:
        return str(uuid.uuid4())
    return f"{place}:{pid}:{process[1]}"


def is_alive(owner: str) -> bool:
    """Tell whether the process of that name may still live.

    False is certain. True is also the answer for a process on another machine, of an earlier boot or in another
    container, of which nothing can be known here: then only time tells whether it still renews its lease.
    """
    place, _, pid = owner.rpartition(":")[0].rpartition(":")
    if not pid.isdecimal() or place != _place():
        return True
    process = _process(int(pid))
    if process is None:
        return _answers(int(pid))
    state, started = process
    return state not in _DEAD and started == owner.rpartition(":")[2]


def _place() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _process(pid: int) -> tuple[str, str] | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, so count from its end.
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def _answers(pid: int) -> bool:
    # /proc can hide the processes of other users.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
