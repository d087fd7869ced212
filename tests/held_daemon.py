"""`syncd run` that stops once at a named point and waits there, and whose leases last as long as a test wants.

    python -m tests.held_daemon CONFIG POINT LEASE_SECONDS

POINT is a step of the pipeline such as `written`, or a call of a part such as `store.open`. It goes on when a file
named `go-on` lies beside the configuration.
"""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path

from syncd.cli.configuration import watched
from syncd.cli.failure import exit_code, tell
from syncd.daemon import Daemon
from syncd.errors import SyncdError
from syncd.telemetry import setup_logging
from tests.engine import Disturbed
from tests.waiting import until

HELD = "held at"


def main(config: Path, point: str, lease_seconds: float) -> None:
    """Run the daemon."""
    setup_logging(sys.stderr)
    reached_before = False

    def reached(step: str) -> None:
        nonlocal reached_before
        if step != point or reached_before:
            return
        reached_before = True
        logging.getLogger(__name__).info("%s %s", HELD, point)
        until((config.parent / "go-on").exists, 120)

    plugins = Disturbed()
    plugins.before[point] = lambda: reached(point)
    daemon = Daemon(watched(config, plugins), plugins, reached, lease_ttl=timedelta(seconds=lease_seconds))
    try:
        daemon.run()
    except SyncdError as error:
        tell(error)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
