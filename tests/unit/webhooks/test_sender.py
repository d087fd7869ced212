"""A message goes to the address that was checked, ends in time, and is never led elsewhere."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from syncd.errors import PermanentError, SyncError, TransientError
from syncd.webhooks.sender import ANSWER_BYTES, Sender
from tests.receiver import Receiver, receiving

ONE = ip_network("127.0.0.1/32")
"""The only address here that counts as if it were public."""
REQUEST = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection and let `talk` answer it; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(20)
                try:
                    talk(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def test_a_message_arrives_as_it_was_given(receiver: Receiver) -> None:
    answer = Sender([ONE]).post(receiver.url, {"X-One": "1"}, '{"a":1}')
    [message] = receiver.received
    assert (answer.status, answer.retry_after) == (200, None)
    assert (message.path, message.body, message.headers["X-One"]) == ("/hook?source=syncd", b'{"a":1}', "1")
    assert message.headers["Host"] == f"127.0.0.1:{receiver.port}"


def test_nothing_goes_to_this_machine_unless_it_was_allowed(receiver: Receiver) -> None:
    with pytest.raises(PermanentError, match="not public"):
        Sender().post(receiver.url, {}, "{}")
    with pytest.raises(PermanentError, match="not public"):
        Sender().check(receiver.url)
    assert receiver.received == []


def test_the_connection_goes_to_the_address_that_was_checked_whatever_the_name_says_next(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with receiving("127.0.0.2", receiver.port) as private:
        sender = Sender([ONE], rebinding)
        assert sender.post(f"http://rebinding.example:{receiver.port}/x", {}, "{}").status == 200
        assert asked == ["rebinding.example"]
        assert receiver.received[0].headers["Host"] == f"rebinding.example:{receiver.port}"
        with pytest.raises(PermanentError, match=r"rebinding\.example has an address that is not public"):
            sender.post(f"http://rebinding.example:{receiver.port}/x", {}, "{}")
        assert (len(receiver.received), private.received) == (1, [])


def test_one_private_address_among_public_ones_is_enough_to_refuse(receiver: Receiver) -> None:
    with pytest.raises(PermanentError):
        Sender([ONE], lambda _host, _port: ["127.0.0.1", "127.0.0.2"]).post(receiver.url, {}, "{}")
    assert receiver.received == []


def test_the_next_checked_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    allowed = [ip_network("127.0.0.0/8")]
    sender = Sender(allowed, lambda _host, _port: ["127.0.0.3", "127.0.0.1"])
    assert sender.post(f"http://two.example:{receiver.port}/", {}, "{}").status == 200


def test_a_redirect_is_an_answer_and_leads_nowhere(receiver: Receiver) -> None:
    with receiving("127.0.0.2") as private:
        receiver.answers.append((302, {"Location": f"http://127.0.0.2:{private.port}/"}))
        assert Sender([ip_network("127.0.0.0/8")]).post(receiver.url, {}, "{}").status == 302
        assert private.received == []


def test_no_proxy_of_the_environment_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert Sender([ONE]).post(receiver.url, {}, "{}").status == 200
        assert (len(receiver.received), proxy.received) == (1, [])


def test_an_answer_is_not_read_beyond_its_bound() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    with answering(flood) as port:
        begun = time.monotonic()
        assert Sender([ONE]).post(f"http://127.0.0.1:{port}/", {}, "{}").status == 200
        assert time.monotonic() - begun < 5
    # What lies in the buffers of the sockets was sent, and not read.
    assert ANSWER_BYTES < sent < 100_000_000


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Y: z\r\n")
        threading.Event().wait(0.05)


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def talk_nonsense(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 mail ready\r\n\r\n")


@pytest.mark.parametrize("talk", [drip_headers, say_nothing, hang_up, talk_nonsense])
def test_a_receiver_that_does_not_answer_properly_costs_a_bounded_time(talk: Callable[[socket.socket], None]) -> None:
    with answering(talk) as port:
        begun = time.monotonic()
        with pytest.raises(TransientError):
            Sender([ONE], seconds=0.5).post(f"http://127.0.0.1:{port}/path?token=hidden", {}, "{}")
        assert time.monotonic() - begun < 3


def test_a_failure_does_not_show_the_path(receiver: Receiver) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/services/very-secret"
        with pytest.raises(SyncError) as raised:
            Sender([ONE]).post(url, {}, "{}")
    assert "very-secret" not in str(raised.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of hooks.example that nobody else has signed, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *REQUEST,
            "-subj",
            "/CN=hooks.example",
            "-addext",
            "subjectAltName=DNS:hooks.example",
            "-keyout",
            key,
            "-out",
            made,
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@contextmanager
def secure(certificate: tuple[Path, Path], names: list[str | None]) -> Iterator[int]:
    """Answer one connection over TLS; the name that it asked for is added to `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            asked = b""
            # What is left unread when the connection closes would take the answer with it.
            while not asked.endswith(b"\r\n\r\n{}") and (more := wrapped.recv(65536)):
                asked += more
            wrapped.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with answering(talk) as port:
        yield port


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


def test_tls_proves_the_name_and_not_the_address(certificate: tuple[Path, Path]) -> None:
    names: list[str | None] = []
    sender = Sender([ONE], lambda _host, _port: ["127.0.0.1"], trusting(certificate))
    with secure(certificate, names) as port:
        assert sender.post(f"https://hooks.example:{port}/", {}, "{}").status == 204
    assert names == ["hooks.example"]


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_of_another_name_is_refused(certificate: tuple[Path, Path], host: str) -> None:
    sender = Sender([ONE], lambda _host, _port: ["127.0.0.1"], trusting(certificate))
    with secure(certificate, []) as port:
        with pytest.raises(TransientError, match="certificate"):
            sender.post(f"https://{host}:{port}/", {}, "{}")


def test_a_certificate_that_nobody_trusts_is_refused(certificate: tuple[Path, Path]) -> None:
    with secure(certificate, []) as port:
        with pytest.raises(TransientError, match="certificate"):
            Sender([ONE], lambda _host, _port: ["127.0.0.1"]).post(f"https://hooks.example:{port}/", {}, "{}")
