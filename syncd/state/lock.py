"""Who works on a SQLite state: all that do share a lock, and whoever puts another file in its place wants it alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from syncd.errors import Unavailable

ENDING = ".lock"
_LOCKS = Path("/proc/locks")


class StateLock:
    """A lock beside a state's file, held until it is released or the process ends, however it ends.

    It is a file of its own, because the state's is replaced under it; and because closing a second descriptor of that
    one would take SQLite's locks away. It stays empty, and is never removed.

    Args:
        state: the state's file, which need not be there; its folder must.

    Raises:
        OSError: the lock file cannot be made.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        real = state.resolve()
        self._file = os.open(real.with_name(real.name + ENDING), os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Hold it beside others that work on the state.

        Raises:
            Unavailable: a process holds it alone.
        """
        if not self._take(fcntl.LOCK_SH):
            raise Unavailable(f"the state {self._state} is being restored", "try again when that has ended")

    def own(self) -> None:
        """Hold it alone.

        Raises:
            Unavailable: another process works on the state.
        """
        if not self._take(fcntl.LOCK_EX):
            raise Unavailable(
                f"the state {self._state} is used by {self._users()}", "stop syncd, and the commands that use its state"
            )

    def release(self) -> None:
        """Let go."""
        os.close(self._file)

    def _take(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _users(self) -> str:
        """Name the processes that hold it, as far as the system tells."""
        found = os.fstat(self._file)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        try:
            fields = [line.split() for line in _LOCKS.read_text().splitlines()]
        except OSError:
            fields = []
        # A number below 1 is a process that cannot be seen from here.
        pids = {int(field[4]) for field in fields if "->" not in field and field[5:6] == [place]}
        named = ", ".join(str(pid) for pid in sorted(pids) if pid > 0)
        return f"process {named}" if named else "another process"
