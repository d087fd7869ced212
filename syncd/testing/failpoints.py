"""Ends the process where a test wants it to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

VARIABLE = "SYNCD_FAILPOINT"


def failpoint(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return a hook for `syncd.tally.Hooks.reached` that kills the process at a step.

    Args:
        environ: `SYNCD_FAILPOINT=written:3` ends the process by SIGKILL when it reaches `written` for the third time;
            without the variable nothing happens.
    """
    step, _, count = environ.get(VARIABLE, "").partition(":")
    left = int(count or 1)

    def reached(name: str) -> None:
        nonlocal left
        if name != step:
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
