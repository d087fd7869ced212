"""`syncd run`: the daemon."""

from __future__ import annotations

import typer

from syncd.cli.options import ConfigOption, example

app = typer.Typer()


@app.command(epilog=example("syncd run", "syncd run --config /etc/syncd"))
def run(config: ConfigOption = None) -> None:
    """Keep every knowledge base in step (the daemon).

    SIGTERM and Ctrl-C stop at the next batch and exit with 0; a second Ctrl-C stops at once and loses nothing.
    SIGHUP, or a changed file, reads the jobs again.
    """
    import os
    import sys

    from syncd.cli.configuration import watched
    from syncd.daemon import Daemon
    from syncd.plugins import Plugins
    from syncd.telemetry import setup_logging
    from syncd.testing.failpoints import failpoint

    setup_logging(sys.stderr, level="DEBUG" if os.environ.get("SYNCD_DEBUG") == "1" else "INFO")
    plugins = Plugins()
    Daemon(watched(config, plugins), plugins, failpoint(os.environ)).run()
