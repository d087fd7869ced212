"""How many processors this process may keep busy."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from syncd.errors import PermanentError

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processors(quota: Path = _QUOTA) -> int:
    """Count the processors that the scheduler and the container's quota leave to this process, at least one.

    Args:
        quota: the file of the control group, version 2: a quota and a period in microseconds, or `max` for no quota.
    """
    affine = getattr(os, "sched_getaffinity", None)
    count = len(affine(0)) if affine is not None else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        allowed, period = quota.read_text("ascii").split()
        count = min(count, round(int(allowed) / int(period)))
    return max(1, count)


class Incapable(PermanentError):
    """A processor does not have what it takes: nobody's fault where something else will do."""
