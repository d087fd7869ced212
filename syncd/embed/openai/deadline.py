"""Connections on which everything ends at one moment, however slowly a server's bytes drip in."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore


def timeouts(until: float) -> dict[str, float]:
    """Return a request's timeouts, as `DeadlineBackend` reads them.

    Args:
        until: a moment of the monotonic clock.

    Raises:
        httpcore.TimeoutException: it is over.
    """
    return {"pool": left(until), "connect": until, "read": until, "write": until}


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections on which a timeout is a moment of the monotonic clock instead of seconds.

    httpcore hands a request's timeouts through to each single read as they are, so that seconds would begin anew with
    each byte.
    """

    def __init__(self) -> None:
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._tcp.connect_tcp(host, port, left(timeout), local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def left(until: float | None) -> float:
    """Return the seconds that are left. Raises httpcore.ReadTimeout when there are none."""
    assert until is not None
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds
