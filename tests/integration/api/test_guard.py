"""Being on this machine is the only right to ask, and a page in a browser is not given it."""

from __future__ import annotations

import itertools
import select
import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import httpx
import pytest

from syncd.api.app import create_app
from syncd.api.serve import Server

from .conftest import World

SEARCH = "/v1/knowledge-bases/orders_kb/search"
PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/v1/jobs",
    "/v1/jobs/orders",
    "/v1/runs",
    "/v1/runs/run_1",
    "/v1/knowledge-bases",
    SEARCH,
    "/nothing",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def something_to_steal(world: World) -> None:
    world.run(world.job())


def test_a_foreign_host_is_refused_on_every_route_and_method(client: httpx.Client, server: Server) -> None:
    """DNS rebinding: the attacker's name points at 127.0.0.1, but the browser still sends the name."""
    port = urlsplit(server.url).port
    for method, path in itertools.product(METHODS, PATHS):
        answer = client.request(method, path, headers={"Host": f"evil.example:{port}"})
        assert answer.status_code == 403, (method, path)
        if method != "HEAD":
            assert answer.json()["error"]["code"] == "FORBIDDEN_HOST"


def test_a_foreign_origin_is_refused_on_every_route_and_method(client: httpx.Client) -> None:
    """Cross-site requests: a page elsewhere asks 127.0.0.1 with the user's browser."""
    for method, path in itertools.product(METHODS, PATHS):
        answer = client.request(method, path, headers={"Origin": "https://evil.example"}, json={"query": "x"})
        assert answer.status_code == 403, (method, path)
        assert "orders" not in answer.text
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_trick_with_the_host_or_the_origin_helps(client: httpx.Client, server: Server) -> None:
    port = urlsplit(server.url).port
    hosts = ["", "127.0.0.1", f"127.0.0.1:{port}.evil.example", f"127.0.0.1.:{port}", f"evil@127.0.0.1:{port}", "[::1]"]
    hosts += [f"0.0.0.0:{port}", f"127.1:{port}", f"2130706433:{port}", f"localhost.:{port}", "127.0.0.1:1"]
    for host in hosts:
        assert client.get("/v1/jobs", headers={"Host": host}).status_code == 403, host
    origins = ["null", "", "http://localhost", f"http://127.0.0.1:{port}.evil.example", f"file://127.0.0.1:{port}"]
    origins += [f"http://user@127.0.0.1:{port}", "http://[", f"http://localhost:{port}"]
    for origin in origins:
        assert client.get("/v1/jobs", headers={"Origin": origin}).status_code == 403, origin


def test_our_own_names_and_our_own_pages_are_answered(client: httpx.Client, server: Server) -> None:
    port = urlsplit(server.url).port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200, host
        own = {"Host": host, "Origin": f"http://{host}"}
        assert client.get("/v1/jobs", headers=own).status_code == 200, host


def test_two_hosts_or_none_are_refused(server: Server) -> None:
    for lines in (b"", b"Host: 127.0.0.1:%d\r\nHost: evil.example\r\n" % (urlsplit(server.url).port or 0)):
        for version in (b"1.0", b"1.1"):
            status, _, _ = exchange(server, b"GET /v1/jobs HTTP/%s\r\n%s\r\n" % (version, lines))
            assert status in {400, 403}


def test_a_server_that_others_may_ask_answers_to_any_name_but_not_to_other_pages(world: World) -> None:
    server = Server("127.0.0.1", 0, allow_remote=True)
    app = create_app(
        state=world.state,
        knowledge_bases=lambda: world.names,
        search=world.index.search,
        databases=world.parts,
        library=world.library,
        readiness=world.readiness,
        registry=world.registry,
        clock=world.clock,
        hosts=server.hosts,
    )
    server.start(app)
    try:
        url = f"{server.url}/v1/jobs"
        assert httpx.get(url, headers={"Host": "syncd:8000"}, trust_env=False).status_code == 200
        same = {"Host": "syncd:8000", "Origin": "http://syncd:8000"}
        assert httpx.get(url, headers=same, trust_env=False).status_code == 200
        other = {"Host": "syncd:8000", "Origin": "http://evil.example"}
        assert httpx.get(url, headers=other, trust_env=False).status_code == 403
    finally:
        server.stop()


def test_a_body_that_says_it_is_a_gigabyte_is_refused_before_it_is_sent(server: Server) -> None:
    for method, path in itertools.product((b"POST", b"GET"), (SEARCH.encode(), b"/v1/jobs", b"/nothing")):
        head = b"%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
        request = head % (method, path, urlsplit(server.url).netloc.encode(), 1024 * MIB)
        status, connection, body = exchange(server, request)
        assert (status, connection.lower()) == (413, "close"), (method, path)
        assert b'"code": "TOO_LARGE"' in body


def test_a_body_that_never_ends_is_refused_after_a_mebibyte(server: Server, client: httpx.Client) -> None:
    address = urlsplit(server.url)
    head = b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head % (SEARCH.encode(), address.netloc.encode()))
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(piece)
            sent += len(piece)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
    # What is beyond the limit is what the sockets' buffers hold and what is dropped while the answer is on its way.
    assert sent < 32 * MIB
    assert client.get("/healthz").status_code == 200


def test_a_body_that_is_too_large_but_not_endless_gets_its_answer_even_if_all_of_it_is_sent_first(
    client: httpx.Client,
) -> None:
    headers = {"Content-Type": "application/json"}
    for _ in range(20):
        assert client.post(SEARCH, content=b" " * 5 * MIB, headers=headers).status_code == 413
        pieces = iter([b" " * MIB] * 5)
        assert client.post(SEARCH, content=pieces, headers=headers).status_code == 413
        assert client.post("/nothing", content=b" " * MIB, headers=headers).status_code == 404


def test_a_body_that_nobody_reads_is_not_taken_from_the_wire(server: Server) -> None:
    head = b"GET /v1/jobs HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = head % urlsplit(server.url).netloc.encode() + b"10000\r\n" + b" " * 65_536
    status, connection, _ = exchange(server, request)
    assert (status, connection.lower()) == (200, "close")


def test_a_body_of_just_a_mebibyte_is_read(client: httpx.Client) -> None:
    text = b'{"query": "x"}'
    headers = {"Content-Type": "application/json"}
    assert client.post(SEARCH, content=text.ljust(MIB), headers=headers).status_code == 200
    assert client.post(SEARCH, content=text.ljust(MIB + 1), headers=headers).status_code == 413


def exchange(server: Server, request: bytes) -> tuple[int, str, bytes]:
    """Send bytes, and return status, Connection header and body of the answer."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers.get("Connection", ""), answer.read()
