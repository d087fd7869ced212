"""A connection that does not keep others waiting."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0


class Connection(H11Protocol):
    """Closes when the head of a request does not come in time: a client that sends it byte by byte holds nothing."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        # uvicorn would write down each path, whatever somebody put into it, as soon as anything listens to its logger.
        self.access_log = False
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, and go on waiting as long as it is no whole head."""
        if self._deadline is None and not self._is_answering():
            self._wait()
        super().data_received(data)
        if self._is_answering():
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
