"""A server that embeds as OpenAI's does, over real HTTP, with syncd's hashing; and that fails as it is told."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.embed.openai import OpenAiEmbedder, OpenAiOptions

DIMENSION = 64
HASHING = HashingEmbedder(HashingOptions(dimension=DIMENSION))


@dataclass(frozen=True)
class Asked:
    """One request as it came, from this port."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def texts(self) -> list[str]:
        """The texts to embed."""
        return list(self.body["input"])


@dataclass(frozen=True)
class Reply:
    """An answer in place of vectors."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


DROP = Reply(0)
"""The connection is closed without an answer."""

Entries = list[dict[str, Any]]


@dataclass
class EmbeddingServer:
    """What came, and what the server does with it.

    Args:
        asked: every request, in the order of their coming.
        replies: given to the next requests, in place of vectors.
        before: called with each request before it is answered.
        reply: what a request gets in place of vectors, whenever it comes; None for vectors.
        spoil: changes the entries of every answer.
        most_at_once: how many requests were under way together.
        ended: released with each connection that ends.
    """

    port: int
    scheme: str = "http"
    asked: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    before: Callable[[Asked], object] = lambda asked: None
    reply: Callable[[Asked], Reply | None] = lambda asked: None
    spoil: Callable[[Entries], object] = lambda entries: entries
    most_at_once: int = 0
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """What an embedder's `url` is."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def embedder(
        self, pause: Callable[[threading.Event, float], object] | None = None, **options: object
    ) -> OpenAiEmbedder:
        """Make an embedder that asks this server."""
        made = OpenAiOptions.model_validate({"url": self.url, "model": "hashing", **options})
        return OpenAiEmbedder(made) if pause is None else OpenAiEmbedder(made, pause)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        with self._lock:
            self.asked.append(asked)
            reply = self.replies.pop(0) if self.replies else None
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self.before(asked)
        finally:
            with self._lock:
                self._now -= 1
        return reply or self.reply(asked) or self._embedded(asked)

    def _embedded(self, asked: Asked) -> Reply:
        vectors = HASHING.embed(asked.texts)[:, : asked.body.get("dimensions", DIMENSION)]
        plain = asked.body["encoding_format"] == "float"
        entries = [
            {
                "object": "embedding",
                "index": index,
                "embedding": vector.tolist() if plain else base64.b64encode(vector.tobytes()).decode(),
            }
            for index, vector in enumerate(vectors)
        ]
        return Reply(200, json.dumps({"object": "list", "data": self.spoil(entries), "model": "hashing"}).encode())


@contextmanager
def embedding_server(tls: ssl.SSLContext | None = None) -> Iterator[EmbeddingServer]:
    """Run a server while the block runs, over TLS where it is given what proves its name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Two small writes, or the answer's head waits for the network's acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = server.answer(Asked(self.client_address[1], self.path, dict(self.headers.items()), body))
            if reply is DROP:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def finish(self) -> None:
            super().finish()
            server.ended.release()

        def log_message(self, *_: object) -> None:
            """Keep the terminal quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # whoever hangs up early is no error here
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    server = EmbeddingServer(http.server_port, "http" if tls is None else "https")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
