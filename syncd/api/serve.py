"""Listens for HTTP in a thread of its own, and leaves signals to the program around it."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from syncd.api.connection import Connection
from syncd.errors import Unavailable

log = logging.getLogger(__name__)

GRACE_SECONDS = 3
_BACKLOG = 128
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Server:
    """Owns an address from the moment it is made, and answers there from `start` to `stop`.

    Args:
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        guarded: there are tokens, which say who may ask: other machines may reach the address.
        allow_remote: they may even where there are none. Nothing is authenticated then, so this is for networks that
            are closed by other means.

    Raises:
        Unavailable: the address is in use, is not this machine's, or could be reached from others without
            `guarded` or `allow_remote`.
    """

    def __init__(self, host: str, port: int, *, guarded: bool = False, allow_remote: bool = False) -> None:
        self._allow_remote = allow_remote
        self._socket = _listen(host, port, allow_remote=allow_remote or guarded)
        self._address, self._port = self._socket.getsockname()[:2]
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server answers this machine."""
        address = ipaddress.ip_address(self._address)
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        return f"http://{_in_url(str(address))}:{self._port}"

    @property
    def anonymous(self) -> bool:
        """Whether to reach the server is right enough while there are no tokens."""
        return self._allow_remote or self._is_loopback

    @property
    def hosts(self) -> frozenset[str] | None:
        """The `Host` headers of requests that are meant for this server; None for any."""
        if self._allow_remote or not self._is_loopback:
            return None
        names = {*_LOOPBACK_NAMES, _in_url(self._address)}
        # A browser leaves the port out when it is HTTP's own.
        return frozenset({f"{name}:{self._port}" for name in names} | (names if self._port == 80 else set()))

    @property
    def _is_loopback(self) -> bool:
        return ipaddress.ip_address(self._address).is_loopback

    def start(self, app: ASGIApp) -> None:
        """Answer requests with this app; returns when it does.

        Raises:
            Unavailable: it cannot be started.
        """
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        ready = threading.Event()
        server = _Uvicorn(config, ready)
        url = self.url

        def serve() -> None:
            try:
                server.run(sockets=[self._socket])
            except Exception:
                log.exception("the API at %s has ended", url)
            finally:
                ready.set()

        self._server = server
        self._thread = threading.Thread(target=serve, name="api", daemon=True)
        self._thread.start()
        ready.wait()
        if not server.started:
            raise Unavailable(f"the API could not be started at {url}", "the log says why")

    def stop(self) -> None:
        """Finish the requests that are being answered, for a few seconds at most, and let go of the address."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(GRACE_SECONDS + 2)
            if self._thread.is_alive():
                log.warning("a request is still being answered; it is left behind")
        self.close()

    def close(self) -> None:
        """Let go of the address, of a server that was never started."""
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


def _listen(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    address, family = _resolve(host)
    if not (allow_remote or ipaddress.ip_address(address).is_loopback):
        raise Unavailable(
            f"syncd does not listen on {host}: other machines reach it, and there is no token that says who may ask",
            "make one with `syncd tokens create`, or set server.host to 127.0.0.1",
        )
    try:
        listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Unavailable(f"syncd cannot listen on {host} port {port}: {error.strerror}", _hint(error)) from error
    # Connections inherit it: head and body of an answer go out one after the other, and without it the body would wait
    # some 40 ms for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _resolve(host: str) -> tuple[str, socket.AddressFamily]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            f"syncd cannot listen on {host!r}: no address has that name", "set server.host to 127.0.0.1"
        ) from error
    # IPv4 first: a name such as localhost may have an address of each kind, and clients that know one know this.
    family, _, _, _, place = min(found, key=lambda entry: entry[0] is not socket.AF_INET)
    return str(place[0]), family


def _hint(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "stop what listens there, another syncd perhaps, or set server.port to another port"
        case errno.EACCES:
            return "ports below 1024 belong to root; set server.port to a higher one"
        case _:
            return "set server.host to an address of this machine"


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
