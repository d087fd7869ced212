"""The command line: `syncd`, and `python -m syncd`."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys

NEW_OBJECTS = 10_000
"""How many of them Python's search for cycles waits for, instead of some hundreds."""


def main() -> None:
    """Run the command line, and exit with what it came to: see `syncd.cli.failure`."""
    # Python would look for cycles in all that is imported, once and again while it comes and once more before the end:
    # a tenth of a short command's time, and a sixth.
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)
    # Every file that a command makes may hold rows of somebody's table (invariant 10).
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's alphabet lacks must not end a command.
            stream.reconfigure(errors="replace")
    from syncd.cli.app import app
    from syncd.cli.failure import exit_code, tell

    try:
        app(prog_name="syncd")
    except Exception as error:
        if os.environ.get("SYNCD_DEBUG") == "1":
            raise
        tell(error)
        sys.exit(exit_code(error))
