"""The door of the API: who may ask, how much may be sent, and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncd.api import problems

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30.0
# A client that still sends when the connection closes loses the answer: so much of the rest is taken and dropped.
LINGER_BYTES = 8 * 1024 * 1024
LINGER_SECONDS = 1.0

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Wraps the app; pure ASGI, so that nothing is held in memory on the way.

    Without tokens, being on this machine is the only right to ask. A page in a browser is on this machine too, so
    the name that it used must be one of ours (DNS rebinding), and the page must be ours (cross-site requests).

    Args:
        app: what is guarded.
        hosts: the `Host` headers that are ours, in lower case; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        body = _Body(headers, receive)
        exchange = _Exchange(send, request_id, body)
        refusal = self._refusal(headers, request_id)
        try:
            await (refusal or self._app)(scope, body.receive, exchange.send)
        except Exception:
            if exchange.started:
                raise
            log.exception("%s %s failed, request_id %s", scope["method"], scope["path"], request_id)
            await problems.of_status(500, request_id)(scope, body.receive, exchange.send)

    def _refusal(self, headers: Headers, request_id: str) -> Response | None:
        hosts = [host.lower() for host in headers.getlist("host")]
        if len(hosts) != 1 or (self._hosts is not None and hosts[0] not in self._hosts):
            message = "syncd answers only to the address that it listens on; use that address in the URL"
            return problems.answer(403, "FORBIDDEN_HOST", message, request_id)
        if any(not _same_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
            message = "pages of other sites may not ask syncd"
            return problems.answer(403, "FORBIDDEN_ORIGIN", message, request_id)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 20 or int(length) > MAX_BODY_BYTES:
            return problems.of_status(413, request_id)
        return None


class _Body:
    """Hands out the request's body, and refuses what is too much of it or comes too slowly."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        self.unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    async def receive(self) -> Message:
        try:
            # Once it is there, a receiver only waits for the client to go away.
            async with asyncio.timeout_at(self._deadline if self.unread else None):
                message = await self._next()
        except TimeoutError:
            raise HTTPException(408) from None
        if self._bytes > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    async def drop(self) -> None:
        """Take what is still on its way, within bounds."""
        most = self._bytes + LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while self.unread and self._bytes < most:
                    await self._next()
        except TimeoutError:
            return

    async def _next(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self.unread = self.unread and message.get("more_body", False)
        return message


class _Exchange:
    """Sends the answer, with the headers that every answer carries."""

    def __init__(self, send: Send, request_id: str, body: _Body) -> None:
        self._send = send
        self._request_id = request_id
        self._body = body
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self._request_id
            if self._body.unread:
                # Nobody will read the rest of the body; without this all of it would be taken from the wire.
                headers["Connection"] = "close"
        elif self._body.unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.drop()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host
