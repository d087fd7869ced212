"""Runs: what waits, what goes on, and what has been."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from syncd.client.connection import Connection, part
from syncd.client.errors import Unreachable
from syncd.client.run_values import LogLine, Output, Run
from syncd.client.values import Time

POLL_SECONDS = 0.5


class Runs:
    """The runs of a daemon, by their id (`run_7`). Every call raises as `Connection.ask` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        job: str | None = None,
        status: str | None = None,
        trigger: str | None = None,
        tag: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[Run]:
        """Yield the runs, newest first.

        Args:
            job: only of this job, by its id or its name.
            status: only of this status, such as `failed`.
            trigger: only those that were started like this: `schedule`, `manual`, `api` or `recovery`.
            tag: only those with this tag, written `name=value`.
            since, until: only those that were asked for at this moment or later, and before that one.
        """
        wanted = {"job": job, "status": status, "trigger": trigger, "tag": tag, "since": since, "until": until}
        yield from self._connection.pages("/v1/runs", wanted)

    def get(self, run: str) -> Run:
        """Return one run as it is now."""
        found: Run = self._connection.get(_path(run))
        return found

    def cancel(self, run: str) -> Run:
        """Cancel a run: at once before it has begun, at its next batch boundary while it goes on."""
        canceled: Run = self._connection.post(f"{_path(run)}/cancel")
        return canceled

    def log(self, run: str) -> Iterator[LogLine]:
        """Yield what was logged during a run, in order; the first 2,000 lines are kept."""
        yield from self._connection.pages(f"{_path(run)}/log")

    def outputs(self, run: str) -> Sequence[Output]:
        """Return what a run did, by knowledge base."""
        found: Sequence[Output] = self._connection.get(f"{_path(run)}/outputs")["data"]
        return found

    def events(self, run: str) -> Iterator[Run]:
        """Yield the run each time that it has changed, the first time at once, until it has ended.

        Raises:
            Unreachable: the daemon does not answer any more; the run does not depend on who watches it.
        """
        told: Run | None = None
        while True:
            heard = False
            for name, data in self._connection.events(f"{_path(run)}/events"):
                heard = True
                if name == "end":
                    return
                if name == "run" and data != told:
                    told = data
                    yield data
            # Something between the two may end a long answer; a new one begins with the run as it is now.
            if not heard:
                raise Unreachable(f"the daemon at {self._connection.url} tells nothing of {run}", "look at its log")

    def wait(self, run: str, timeout: float | None = None) -> Run:
        """Return a run when it has ended, however it has.

        Args:
            timeout: how long to wait, in seconds; None for as long as it takes.

        Raises:
            TimeoutError: it has not ended by then; it goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (found := self.get(run))["finished_at"] is None:
            left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{run} is {found['status']} after {timeout} s; it goes on")
            self._connection.pause(min(POLL_SECONDS, left))
        return found


def _path(run: str) -> str:
    return f"/v1/runs/{part(run)}"
