"""The server owns its address from the start, leaves signals alone, and ends when it is told to."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from syncd.api.serve import GRACE_SECONDS, Server
from syncd.errors import Unavailable
from tests.waiting import until

from .conftest import World, serving

EVERYWHERE = "0.0.0.0"  # noqa: S104 - some of these tests are about it


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest app."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_it_answers_as_soon_as_start_returns_and_no_more_after_stop() -> None:
    server = Server("127.0.0.1", 0)
    server.start(hello)
    assert httpx.get(server.url, trust_env=False).text == "hello"
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)
    assert not [thread for thread in threading.enumerate() if thread.name == "api"]


def test_a_free_port_is_known_before_the_server_is_started() -> None:
    server = Server("127.0.0.1", 0)
    port = urlsplit(server.url).port
    assert port
    assert server.hosts == frozenset({f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"})
    server.close()


def test_an_address_in_use_is_refused_at_once_with_what_to_do() -> None:
    first = Server("127.0.0.1", 0)
    port = urlsplit(first.url).port or 0
    with pytest.raises(Unavailable, match=rf"port {port}.*another syncd perhaps, or set server.port"):
        Server("127.0.0.1", port)
    first.close()
    again = Server("127.0.0.1", port)
    again.close()


def test_a_port_is_free_again_right_after_connections_were_made_to_it() -> None:
    """A daemon that is restarted must not wait for the old connections' TIME_WAIT."""
    server = Server("127.0.0.1", 0)
    server.start(hello)
    port = urlsplit(server.url).port or 0
    assert httpx.get(server.url, trust_env=False).text == "hello"
    server.stop()
    again = Server("127.0.0.1", port)
    again.start(hello)
    assert httpx.get(again.url, trust_env=False).text == "hello"
    again.stop()


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1"])
def test_an_address_that_others_can_reach_is_refused_without_tokens(host: str) -> None:
    with pytest.raises(Unavailable, match=r"no token.*make one with `syncd tokens create`"):
        Server(host, 0)


def test_any_address_may_be_listened_on_when_that_is_asked_for() -> None:
    server = Server(EVERYWHERE, 0, allow_remote=True)
    assert server.hosts is None
    server.start(hello)
    assert server.url.startswith("http://127.0.0.1:")
    assert httpx.get(server.url, headers={"Host": "syncd"}, trust_env=False).text == "hello"
    server.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "exa mple", "a" * 70])
def test_an_address_that_is_not_there_is_refused_with_what_to_do(host: str) -> None:
    with pytest.raises(Unavailable, match=r"cannot listen on .*set server\.host"):
        Server(host, 0, allow_remote=True)


def test_localhost_is_loopback() -> None:
    server = Server("localhost", 0)
    server.start(hello)
    assert httpx.get(server.url, trust_env=False).text == "hello"
    server.stop()


def test_signal_handlers_stay_those_of_the_program() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = Server("127.0.0.1", 0)
    server.start(hello)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    server.stop()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_answer_does_not_wait_for_the_client_to_acknowledge_half_of_it(world: World) -> None:
    """Such a wait takes 40 ms each time, so the quickest of many shows whether there is one."""
    with serving(world) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        client.get("/healthz")
        took = [client.get("/healthz").elapsed.total_seconds() for _ in range(50)]
    assert min(took) < 0.03


def test_connections_that_idle_do_not_delay_the_end(world: World) -> None:
    with serving(world) as server, httpx.Client(base_url=server.url, trust_env=False) as idle:
        assert idle.get("/healthz").status_code == 200
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < GRACE_SECONDS


def test_a_connection_that_sends_half_a_request_does_not_delay_the_end_for_long() -> None:
    server = Server("127.0.0.1", 0)
    server.start(hello)
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert httpx.get(server.url, trust_env=False).text == "hello"
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < GRACE_SECONDS + 2


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n"])
def test_a_head_that_does_not_come_in_time_ends_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    """However often a little more of it comes, on a new connection and on one that has been used."""
    monkeypatch.setattr("syncd.api.connection.HEAD_SECONDS", 0.5)
    with serving(world) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port), timeout=0.05) as slow:
            if before:
                slow.sendall(before % address.netloc.encode())
                until(lambda: received(slow).endswith(b'{"status":"ok"}'))
            slow.sendall(b"GET /healthz HTTP/1.1\r\n")
            until(lambda: dripped(slow), seconds=20)
        assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200


def received(connection: socket.socket) -> bytes:
    """Return what has come in a moment."""
    try:
        return connection.recv(65_536)
    except TimeoutError:
        return b""


def dripped(connection: socket.socket) -> bool:
    """Send a little more of a head, and tell whether the other side has closed."""
    try:
        connection.sendall(b"X: y\r\n")
        return connection.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.fixture
def searching(world: World) -> Iterator[Searching]:
    """A search that goes on until it is let go."""
    searching = Searching()
    world.index.wait = searching.wait
    with serving(world) as server:
        searching.begin(server)
        yield searching
        searching.let_go.set()
        searching.thread.join()


class Searching:
    """Asks for something that takes as long as the test wants."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.answers: list[httpx.Response | httpx.HTTPError] = []

    def wait(self) -> None:
        """Stand in for a model that is busy."""
        self.entered.set()
        assert self.let_go.wait(60)

    def begin(self, server: Server) -> None:
        """Ask, and return when the answer is being worked on."""
        self.server = server
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()
        assert self.entered.wait(60)

    def _ask(self) -> None:
        url = f"{self.server.url}/v1/knowledge-bases/orders_kb/search"
        try:
            self.answers.append(httpx.post(url, json={"query": "x"}, timeout=60, trust_env=False))
        except httpx.HTTPError as error:
            self.answers.append(error)


def test_a_request_that_is_being_answered_gets_its_answer_before_the_end(searching: Searching) -> None:
    stopper = threading.Thread(target=searching.server.stop)
    stopper.start()
    searching.let_go.set()
    stopper.join()
    searching.thread.join()
    [answer] = searching.answers
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 200


def test_a_request_that_never_ends_is_left_behind(searching: Searching) -> None:
    began = time.monotonic()
    searching.server.stop()
    assert time.monotonic() - began < GRACE_SECONDS + 5
    assert not searching.let_go.is_set()
    # Nothing that is left keeps the program from ending.
    assert all(thread.daemon for thread in threading.enumerate() if "AnyIO" in thread.name or thread.name == "api")


def test_a_server_that_cannot_be_started_says_so(caplog: pytest.LogCaptureFixture) -> None:
    server = Server("127.0.0.1", 0)
    server.close()
    with pytest.raises(Unavailable, match="could not be started"):
        server.start(hello)
    assert "has ended" in caplog.text


def test_a_client_that_says_it_will_send_and_does_not_is_not_waited_for(world: World) -> None:
    """The answer comes at once; what was announced is waited for a moment only."""
    with serving(world) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: %s\r\nContent-Length: 9\r\n\r\n" % address.netloc.encode()
            )
            received = b""
            while piece := connection.recv(65_536):
                received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b'{"status":"ok"}')


def test_a_program_that_only_looks_at_the_package_loads_no_server() -> None:
    script = "import sys, syncd.api; print([name for name in ('fastapi', 'uvicorn') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
