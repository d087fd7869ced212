"""A Chroma server that fails is told with its address, without secrets, and never waited for without end."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from syncd.errors import PermanentError, SyncdError, TransientError
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.testing.documents import numbered

CANARY = "canary-secret-token"


def opened(url: str, timeout: float = 5) -> ChromaKnowledgeBase:
    options = ChromaOptions.model_validate({"url": url, "token": CANARY, "timeout": timeout})
    return ChromaKnowledgeBase("things", options, "e:1", {"pid": "1"})


def assert_tells(error: SyncdError, url: str) -> None:
    """The error names the address, keeps its cause, and no secret."""
    assert url in error.message
    assert error.__cause__ is not None
    assert CANARY not in f"{error!r} {error.hint} {error.__cause__!r}"


@pytest.fixture
def answering() -> Iterator[Callable[[int, str], tuple[str, list[dict[str, str]]]]]:
    """Start servers that give one answer to every request, and note the requests' headers."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: str) -> tuple[str, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                seen.append(dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that the standard library looks for

            def log_message(self, *_: object) -> None:
                """Keep the terminal quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_server_at_the_address() -> None:
    """A refused connection is worth another try."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TransientError) as failure:
            opened(url)
    assert_tells(failure.value, url)


@pytest.mark.timeout(20)
def test_a_server_that_accepts_and_says_nothing() -> None:
    """The first call ends at the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TransientError, match="in time") as failure:
            opened(url, timeout=0.2)
    assert_tells(failure.value, url)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "boom"),
        (502, "<html>bad gateway</html>"),
        (503, '{"error":"InternalError","message":"compacting"}'),
        (429, '{"error":"RateLimitError","message":"slow down"}'),
        (429, "slow down"),
        (200, "not json"),
    ],
)
def test_an_answer_that_may_be_better_later(
    answering: Callable[[int, str], tuple[str, list[dict[str, str]]]], status: int, body: str
) -> None:
    """Overload, failures of the server and of what stands before it are worth another try."""
    url, _ = answering(status, body)
    with pytest.raises(TransientError) as failure:
        opened(url)
    assert_tells(failure.value, url)


@pytest.mark.parametrize(
    ("status", "body"), [(401, "who are you"), (403, '{"error":"AuthorizationError","message":"no"}')]
)
def test_refused_credentials(
    answering: Callable[[int, str], tuple[str, list[dict[str, str]]]],
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: str,
) -> None:
    """The job is at fault; the token travels in headers and is told nowhere (invariant 10)."""
    url, seen = answering(status, body)
    with caplog.at_level(logging.DEBUG), pytest.raises(PermanentError, match="credentials") as failure:
        opened(url)
    assert_tells(failure.value, url)
    assert CANARY not in caplog.text
    headers = {key.lower(): value for key, value in seen[0].items()}
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert headers["x-chroma-token"] == CANARY


def test_a_collection_that_is_removed_meanwhile(chroma_server: str) -> None:
    """The next call says so; opening again makes a new one with a new identity."""
    import chromadb

    first = opened(chroma_server)
    before = first.identity()
    first.upsert([numbered("it", 2)])
    port = int(chroma_server.rpartition(":")[2])
    client = chromadb.HttpClient("127.0.0.1", port, settings=chromadb.Settings(anonymized_telemetry=False))
    client.delete_collection("things")
    client._server._session.close()
    for call in (first.count, first.identity, lambda: first.upsert([numbered("it", 2)])):
        with pytest.raises(TransientError, match="gone"):
            call()
    first.close()
    second = opened(chroma_server)
    assert second.identity().uuid != before.uuid
    assert second.count() == 0
    second.close()
