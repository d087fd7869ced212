"""The client, beside a real daemon and beside a server that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from syncd.client import Client
from tests.daemon import Serving, serving
from tests.world import TABLE, World


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A daemon whose job `copy` has run; tests that share it use jobs and tables of their own."""
    folder = tmp_path_factory.mktemp("served")
    world = World.make(folder, f"sqlite:///{folder / 'source.db'}")
    world.fill(1, 30)
    for name in ("made", "changed", "twin", "waits"):
        world.execute(TABLE.replace("TABLE t", f"TABLE {name}"))
    with serving(world) as daemon:
        assert daemon.first().status == "completed"
        yield daemon


@pytest.fixture
def syncd(served: Serving) -> Iterator[Client]:
    """A client of that daemon."""
    with Client(str(served.client.base_url)) as client:
        yield client


@dataclass
class Answer:
    """What the server says once."""

    status: int
    body: str = '{"error": {"code": "BUSY", "message": "later", "details": []}, "request_id": "r-1"}'
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Told:
    """A server that gives these answers, one after the other, and the last one again and again."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def told() -> Iterator[Told]:
    """A server that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append(f"{self.command} {self.path}")
            script.headers.append({name.lower(): value for name, value in self.headers.items()})
            said = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(said.status)
            for name, value in {**said.headers, "Content-Length": str(len(said.body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body.encode())

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = Told(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()
