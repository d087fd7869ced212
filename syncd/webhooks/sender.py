"""Sends one message over HTTP: to an address that was checked, within a time limit, and no further."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpcore
import httpx

from syncd.errors import TransientError
from syncd.webhooks.addresses import Networks, Resolve, addresses_of, checked_url, port_of, resolve

SEND_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered; `retry_after` is its header of that name."""

    status: int
    retry_after: str | None = None


class Sender:
    """Posts messages.

    The host is resolved once for each message, every address that it has is checked, and the connection is made to
    one of those, so that no name can lead elsewhere in between. TLS still proves the name. No redirect is followed
    and no proxy is asked.

    Args:
        allowed: networks that messages may go to although they are not public.
        find: finds the addresses of a host.
        tls: whom to trust; by default those that the environment and `certifi` name.
        seconds: how long one message may take.
    """

    def __init__(
        self,
        allowed: Networks = (),
        find: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        seconds: float = SEND_SECONDS,
    ) -> None:
        self._allowed = tuple(allowed)
        self._find = find
        self._given_tls = tls
        self._seconds = seconds

    def check(self, url: str) -> None:
        """Return when messages may go to this URL.

        Raises:
            ValueError: the URL itself cannot be used.
            TransientError: its host has no address now.
            PermanentError: its host has an address that is neither public nor allowed.
        """
        target = checked_url(url)
        addresses_of(target.raw_host.decode("ascii"), port_of(target), self._allowed, self._find)

    def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send a message and return the answer, whatever its status.

        Raises:
            SyncError: it could not be sent, or there was no answer in time; the text does not show the URL.
        """
        try:
            target = checked_url(url)
        except ValueError as error:
            raise TransientError(f"the URL {error}") from error
        place = httpcore.URL(
            scheme=target.raw_scheme, host=target.raw_host, port=port_of(target), target=target.raw_path
        )
        backend = _Backend(self._allowed, self._find, time.monotonic() + self._seconds)
        sent = {"Host": target.netloc.decode("ascii"), "Connection": "close", **headers}
        try:
            with (
                httpcore.ConnectionPool(self._tls, max_connections=1, network_backend=backend) as pool,
                pool.stream("POST", place, headers=list(sent.items()), content=body.encode()) as response,
            ):
                _drop(response)
                retry_after = {name.lower(): value for name, value in response.headers}.get(b"retry-after")
                return Answer(response.status, None if retry_after is None else retry_after.decode("latin-1"))
        except httpcore.TimeoutException as error:
            raise TransientError(f"no answer within {self._seconds:g} seconds") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise TransientError(f"the message could not be sent: {error or type(error).__name__}") from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Reading all certificates takes some 20 ms, and not every syncd has webhooks.
        return self._given_tls or httpx.create_ssl_context()


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, until a moment of the monotonic clock."""

    def __init__(self, allowed: Networks, find: Resolve, until: float) -> None:
        self._allowed = allowed
        self._find = find
        self._until = until
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = addresses_of(host, port, self._allowed, self._find)
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses:
            try:
                stream = self._tcp.connect_tcp(address, port, left(self._until), local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
                continue
            return _Stream(stream, self._until)
        raise failure or httpcore.ConnectError("no address")


class _Stream(httpcore.NetworkStream):
    """A connection on which all reading and writing together ends at one moment, however slowly bytes drip in."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(self._until))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left(self._until)), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def left(until: float) -> float:
    """Return the seconds that are left. Raises httpcore.ReadTimeout when there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds


def _drop(response: httpcore.Response) -> None:
    """Read a bounded part of the answer's body, so that its sender is not cut off without need."""
    size = 0
    # The status has been told by now: what goes wrong later does not change it.
    with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > ANSWER_BYTES:
                return
