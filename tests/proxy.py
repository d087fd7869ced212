"""A network that fails on purpose: a TCP proxy that resets, falls silent, slows down, swallows answers or gives its own."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


def http(status: int, body: str = "", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


@dataclass(slots=True)
class _Faults:
    silent: bool = False
    delay: float = 0.0
    after: int | None = None
    action: Callable[[], object] = lambda: None
    swallowed: bytes | None = None
    answered: tuple[bytes, bytes] | None = None
    cut: tuple[bytes, int] | None = None
    left: int = 0


@dataclass
class Proxy:
    """Passes everything on, until it is told otherwise; what it is told holds for open connections too.

    Args:
        upstream: a port of this machine, or the path of a socket.
        port: where it listens.
        struck: how often a fault has been done.
    """

    upstream: int | str
    port: int = 0
    struck: int = 0
    _faults: _Faults = field(default_factory=_Faults)
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def heal(self) -> None:
        """Pass everything on again; connections that fell silent are reset."""
        silent, self._faults = self._faults.silent, _Faults()
        if silent:
            self.reset()

    def reset(self) -> None:
        """Break every connection off."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def silence(self) -> None:
        """Take what is sent, and answer nothing."""
        self._faults.silent = True

    def delay(self, seconds: float) -> None:
        """Hold each answer back for so long."""
        self._faults.delay = seconds

    def after(self, count: int, action: Callable[[], object]) -> None:
        """Do something once, when so many bytes more have been answered, before any further byte is."""
        self._faults.after, self._faults.action = count, action

    def swallow(self, marker: bytes, times: int = 1) -> None:
        """Reset instead of answering the next requests with these words; the server has done what they ask for."""
        self._faults.swallowed, self._faults.left = marker, times

    def answer(self, marker: bytes, answer: bytes, times: int = 1_000_000) -> None:
        """Answer the next HTTP requests with these words in the server's place."""
        self._faults.answered, self._faults.left = (marker, answer), times

    def cut(self, marker: bytes, count: int) -> None:
        """Pass only so many bytes of the next request with these words on, and reset both ends."""
        self._faults.cut, self._faults.left = (marker, count), 1

    def _struck(self) -> None:
        self.struck += 1
        self._faults.left -= 1
        if self._faults.left <= 0:
            self._faults.swallowed = self._faults.answered = self._faults.cut = None

    def _reset_all(self) -> None:
        for client in self._clients:
            _abort(client)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        server: asyncio.StreamWriter | None = None
        try:
            answers, server = await (
                asyncio.open_unix_connection(self.upstream)
                if isinstance(self.upstream, str)
                else asyncio.open_connection("127.0.0.1", self.upstream)
            )
            link = _Link(self, reader, writer, answers, server)
            pumps = [asyncio.create_task(link.requests()), asyncio.create_task(link.answers_back())]
            _, rest = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            _abort(writer)
        finally:
            self._clients.discard(writer)
            for end in (writer, server):
                if end is not None:
                    end.close()


@dataclass(slots=True)
class _Link:
    proxy: Proxy
    client: asyncio.StreamReader
    back: asyncio.StreamWriter
    server: asyncio.StreamReader
    forth: asyncio.StreamWriter
    swallowing: bool = False

    async def requests(self) -> None:
        while data := await self.client.read(65_536):
            faults = self.proxy._faults
            if faults.silent:
                continue
            if faults.answered is not None and faults.answered[0] in data:
                answer = faults.answered[1]
                self.proxy._struck()
                await self._rest_of(data)
                self.back.write(answer)
                await self.back.drain()
                return
            if faults.swallowed is not None and faults.swallowed in data:
                self.swallowing = True
                self.proxy._struck()
            if faults.cut is not None and faults.cut[0] in data:
                self.forth.write(data[: faults.cut[1]])
                await self.forth.drain()
                self.proxy._struck()
                _abort(self.forth)
                _abort(self.back)
                return
            self.forth.write(data)
            await self.forth.drain()

    async def answers_back(self) -> None:
        while data := await self.server.read(65_536):
            if self.swallowing:
                _abort(self.back)
                return
            data = await self._acted(data)
            faults = self.proxy._faults
            if faults.silent:
                continue
            if faults.delay:
                await asyncio.sleep(faults.delay)
            self.back.write(data)
            await self.back.drain()

    async def _acted(self, data: bytes) -> bytes:
        """Do what is to be done after so many bytes, and return what is left to answer."""
        faults = self.proxy._faults
        if faults.after is None:
            return data
        if len(data) <= faults.after:
            faults.after -= len(data)
            return data
        self.back.write(data[: faults.after])
        await self.back.drain()
        rest, faults.after = data[faults.after :], None
        self.proxy.struck += 1
        await asyncio.get_running_loop().run_in_executor(None, faults.action)
        return rest

    async def _rest_of(self, request: bytes) -> None:
        """Read an HTTP request to its end."""
        head, _, body = request.partition(_HEAD_END)
        length = _LENGTH.search(head)
        missing = (int(length[1]) if length else 0) - len(body)
        if missing > 0:
            await self.client.readexactly(missing)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset rather than in order."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def proxy(upstream: int | str) -> Iterator[Proxy]:
    """Run a proxy while the block runs.

    Args:
        upstream: a port of this machine, or the path of a socket.
    """
    made = Proxy(upstream)
    loop, ready = made._loop, threading.Event()

    async def serve() -> asyncio.Server:
        server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()
        return server

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(serve(), loop)
    assert ready.wait(20), started.exception()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(_end(started.result()), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
