"""Whatever an embedding server does, the openai embedder tells it rightly, in bounded time, and keeps its key to itself."""

from __future__ import annotations

import gc
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncd.embed.openai import OpenAiEmbedder, OpenAiOptions
from syncd.errors import PermanentError, RecordError, SyncdError, TransientError
from tests.embedding_server import DIMENSION, DROP, HASHING, Asked, EmbeddingServer, Entries, Reply, embedding_server

CANARY = "canary-7Qx-do-not-tell"
TEXTS = [f"text number {number}" for number in range(12)]
SOON = "0"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    """A server that does as it is told."""
    with embedding_server() as running:
        yield running


def said(status: int, message: str, retry_after: str | None = None) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status, json.dumps({"error": {"message": message}}).encode(), headers)


def vectors(embedder: OpenAiEmbedder, texts: list[str] = TEXTS) -> None:
    """The embedder gives each text its own vector."""
    assert embedder.embed(texts) == pytest.approx(HASHING.embed(texts), abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"dimensions": 16}])
def test_what_is_asked_for(server: EmbeddingServer, options: dict[str, Any]) -> None:
    """One request as the protocol has it; vectors that a server shortened are unit vectors again."""
    got = server.embedder(key=CANARY, **options).embed(TEXTS)
    [asked] = server.asked
    assert asked.path == "/v1/embeddings"
    assert asked.body == {"model": "hashing", "input": TEXTS, "encoding_format": "base64"} | options
    assert asked.headers["Authorization"] == f"Bearer {CANARY}"
    assert asked.headers["Host"] == f"127.0.0.1:{server.port}"
    expected = HASHING.embed(TEXTS)[:, : got.shape[1]]
    assert got == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True), abs=1e-6)


def test_without_a_key_none_is_sent(server: EmbeddingServer) -> None:
    vectors(server.embedder())
    assert "Authorization" not in server.asked[0].headers


def test_base64_is_only_a_wish(server: EmbeddingServer) -> None:
    """A server that answers numbers all the same is understood."""
    server.spoil = lambda entries: [
        {**one, "embedding": HASHING.embed(TEXTS)[one["index"]].tolist()} for one in entries
    ]
    vectors(server.embedder())


def test_requests_hold_no_more_than_they_may(server: EmbeddingServer) -> None:
    """In texts, and in tokens but for a text that alone has more; what is too long is cut as it is counted."""
    embedder = server.embedder(batch_texts=4, batch_tokens=40, max_tokens=30, concurrency=1)
    texts = ["a", "b", "c", "d", "e", "word " * 20, "word " * 20, "word " * 100]
    vectors(embedder, [*texts[:-1], "word " * 27 + "word"])
    server.asked.clear()
    got = embedder.embed(texts)
    assert [len(asked.texts) for asked in server.asked] == [4, 2, 1, 1]
    assert server.asked[-1].texts == ["word " * 27 + "word"]
    assert embedder.count_tokens(server.asked[-1].texts) == [30]
    assert got[-1] == pytest.approx(HASHING.embed(["word " * 27 + "word"])[0], abs=1e-6)


def test_requests_go_side_by_side_and_no_more_than_may(server: EmbeddingServer) -> None:
    """None is answered before three have come, whoever asks; they take turns on three connections."""
    together, begun = threading.Barrier(3), threading.Barrier(2)
    server.before = lambda _: together.wait(30)
    embedder = server.embedder(batch_texts=2, concurrency=3)

    def embed() -> None:
        begun.wait(30)
        vectors(embedder)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(embed) for _ in range(2)]:
            done.result(60)
    assert (len(server.asked), server.most_at_once, len({asked.port for asked in server.asked})) == (12, 3, 3)


def test_answers_in_any_order_are_put_in_order(server: EmbeddingServer) -> None:
    """Inside an answer by its indices, and between answers whichever comes first."""
    server.spoil = lambda entries: entries[::-1]
    came = threading.Event()

    def before(asked: Asked) -> None:
        if TEXTS[0] in asked.texts:
            assert came.wait(30)
        elif TEXTS[-1] in asked.texts:
            came.set()

    server.before = before
    vectors(server.embedder(batch_texts=3, concurrency=4))


def test_connections_are_kept_and_closed(server: EmbeddingServer) -> None:
    """Calls one after the other share a connection, which ends with the embedder."""
    embedder = server.embedder()
    for _ in range(2):
        vectors(embedder)
    assert len({asked.port for asked in server.asked}) == 1
    assert not server.ended.acquire(blocking=False)
    del embedder
    gc.collect()
    assert server.ended.acquire(timeout=30)


@pytest.mark.parametrize(
    "replies",
    [
        [said(429, "slow down", SOON)],
        [said(429, "slow down", formatdate(0, usegmt=True))] * 2,
        [said(503, "loading", SOON), said(500, "boom"), Reply(502, b"<html>bad gateway</html>")],
        [DROP, said(408, "late"), DROP],
    ],
)
def test_what_passes_is_waited_for(server: EmbeddingServer, replies: list[Reply]) -> None:
    """As long as the server asks, else longer each time."""
    waits: list[float] = []
    server.replies += replies
    vectors(server.embedder(pause=lambda _, seconds: waits.append(seconds)))
    assert len(server.asked) == len(replies) + 1
    grown = [0.0 if "Retry-After" in reply.headers else 2.0 ** (n - 1) for n, reply in enumerate(replies)]
    assert all(least <= wait <= 1.5 * least for least, wait in zip(grown, waits, strict=True))


@pytest.mark.parametrize("reply", [said(429, "slow down"), said(500, "boom"), DROP])
def test_what_does_not_pass_is_left_to_the_runs_own_retries(server: EmbeddingServer, reply: Reply) -> None:
    """After six requests, not at once, and with what the server said."""
    server.reply = lambda _: reply
    embedder = server.embedder(pause=lambda *_: None)
    with pytest.raises(
        TransientError, match="cannot be reached" if reply is DROP else json.loads(reply.body)["error"]["message"]
    ):
        embedder.embed(TEXTS)
    assert len(server.asked) == 6


def test_a_pause_that_is_longer_than_there_is_time_is_not_made(server: EmbeddingServer) -> None:
    server.replies.append(said(429, "slow down", "121"))
    with pytest.raises(TransientError, match="asks for a pause of 121 seconds"):
        server.embedder(pause=lambda *_: pytest.fail("it waits")).embed(TEXTS)


@pytest.mark.timeout(60)
def test_when_one_request_has_failed_the_others_do_not_wait(server: EmbeddingServer) -> None:
    """A pause that a server asked another request to make ends with it, and no more requests are begun."""
    waiting, ended = threading.Event(), list[bool]()

    def pause(given_up: threading.Event, _seconds: float) -> None:
        waiting.set()
        ended.append(given_up.wait(30))

    def reply(asked: Asked) -> Reply | None:
        if TEXTS[0] in asked.texts:
            return said(429, "slow down", "100")
        assert waiting.wait(30)
        return said(404, "no such model")

    server.reply = reply
    with pytest.raises(PermanentError, match="no such model"):
        server.embedder(pause=pause, batch_texts=2, concurrency=2).embed(TEXTS)
    assert ended == [True]
    assert not any(TEXTS[-1] in asked.texts for asked in server.asked)


@pytest.mark.parametrize(
    ("reply", "reason", "hint"),
    [
        (said(401, f"wrong key {CANARY}"), "refuses the credentials", "key"),
        (said(403, "not yours"), "refuses the credentials", "key"),
        (said(404, "no model of that name"), "404: no model of that name", "model"),
        (said(402, f"pay first, {CANARY}"), r"402: pay first, \*\*\*", "url"),
        (Reply(200, b"<html>hello</html>"), "something else than embeddings", "url"),
        (Reply(200, b"[" * 100_000), "something else than embeddings", "url"),
        (Reply(200, b'{"data": [3]}'), "something else than embeddings", "url"),
        (Reply(200, b" " * 4_000_000), "more than 3,407,872 bytes", "url"),
    ],
)
def test_what_only_a_person_can_change(
    server: EmbeddingServer, caplog: Any, reply: Reply, reason: str, hint: str
) -> None:
    """The server's word is passed on; the key is not, even if the server repeats it (invariant 10)."""
    server.reply = lambda _: reply
    with caplog.at_level(logging.DEBUG), pytest.raises(PermanentError, match=reason) as failure:
        server.embedder(key=CANARY).embed(TEXTS)
    assert hint in failure.value.hint
    assert server.url in failure.value.message
    assert CANARY not in f"{failure.value!r} {failure.value.hint} {failure.value.__cause__!r} {caplog.text}"
    assert len(server.asked) == 1


def test_no_redirect_is_followed(server: EmbeddingServer) -> None:
    """A key goes to no other host."""
    with embedding_server() as other:
        for status in (301, 302, 307, 308):
            server.reply = lambda _, status=status: Reply(status, headers={"Location": f"{other.url}/embeddings"})  # type: ignore[misc]
            with pytest.raises(PermanentError, match="leads elsewhere") as failure:
                server.embedder(key=CANARY).embed(TEXTS)
            assert "redirect" in failure.value.hint
        assert other.asked == []


def test_a_server_has_to_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is not sent to one that nobody vouches for; `SSL_CERT_FILE` names who may."""
    key, made = tmp_path / "key.pem", tmp_path / "cert.pem"
    line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*line.split(), *names], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made, key)
    with embedding_server(tls) as server:
        with pytest.raises(PermanentError, match="cannot prove who it is: self-signed") as failure:
            server.embedder(key=CANARY).embed(TEXTS)
        assert "SSL_CERT_FILE" in failure.value.hint
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        vectors(server.embedder(key=CANARY))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
        with pytest.raises(PermanentError, match="certificates to trust cannot be read"):
            server.embedder()


def test_no_proxy_of_the_environment_is_asked(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    vectors(server.embedder(timeout=20))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_the_server_does_not_bear_is_the_rows_fault(server: EmbeddingServer, status: int) -> None:
    """A harmless text tells it from a server that refuses everything."""
    server.reply = lambda asked: said(status, "too spicy") if TEXTS[5] in asked.texts else None
    with pytest.raises(RecordError, match=f"refuses the text: {status}: too spicy"):
        server.embedder().embed(TEXTS)


def test_a_server_that_refuses_every_text_is_not_the_rows_fault(server: EmbeddingServer) -> None:
    """A model that cannot shorten its vectors, for example."""
    server.reply = lambda _: said(400, "this model has no dimensions")
    with pytest.raises(PermanentError, match="every text: 400: this model has no dimensions") as failure:
        server.embedder(dimensions=16).embed(TEXTS)
    assert "dimensions" in failure.value.hint


def test_details_that_may_repeat_a_rows_text_are_not_shown(server: EmbeddingServer) -> None:
    detail = json.dumps({"detail": [{"msg": "bad", "input": TEXTS[0]}]}).encode()
    server.reply = lambda asked: Reply(422, detail) if TEXTS[0] in asked.texts else None
    with pytest.raises(RecordError) as failure:
        server.embedder().embed(TEXTS[:1])
    assert failure.value.message.endswith("refuses the text: 422")


def test_a_request_that_is_too_large_is_halved(server: EmbeddingServer) -> None:
    """A server that takes fewer texts than are sent costs requests, and no rows."""
    server.reply = lambda asked: said(413, "at most four") if len(asked.texts) > 4 else None
    vectors(server.embedder())
    assert [len(asked.texts) for asked in server.asked] == [12, 6, 3, 3, 6, 3, 3]


def changed(number: int, /, **fields: object) -> Callable[[Entries], Entries]:
    return lambda entries: [{**one, **fields} if n == number else one for n, one in enumerate(entries)]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda entries: entries[:-1], "11 vectors for 12 texts"),
        (lambda entries: [*entries, entries[0]], "13 vectors for 12 texts"),
        (changed(3, index=2), "which vector is whose"),
        (changed(3, index=12), "which vector is whose"),
        (changed(3, index=-1), "which vector is whose"),
        (changed(3, index=None), "which vector is whose"),
        (changed(1, index=True), "which vector is whose"),
        (changed(3, embedding=[1.0, 2.0]), "different lengths"),
        (lambda entries: [{**one, "embedding": []} for one in entries], "not a list of numbers"),
        (changed(3, embedding=["1.0"] * DIMENSION), "not a list of numbers"),
        (changed(3, embedding=[True] * DIMENSION), "not a list of numbers"),
        (changed(3, embedding=[[1.0]] * DIMENSION), "not a list of numbers"),
        (changed(3, embedding=[10**400] * DIMENSION), "not a list of numbers"),
        (changed(3, embedding="no base64!"), "cannot be read"),
        (changed(3, embedding="AAAA"), "cannot be read"),
        (changed(3, embedding=None), "cannot be read"),
        (changed(3, embedding=[1.0, [2.0]]), "cannot be read"),
    ],
)
def test_an_answer_that_cannot_be_right_is_not_believed(
    server: EmbeddingServer, spoil: Callable[[Entries], Entries], reason: str
) -> None:
    server.spoil = spoil
    with pytest.raises(PermanentError, match=reason):
        server.embedder().embed(TEXTS)


@pytest.mark.parametrize(
    "embedding",
    [[float("nan")] * DIMENSION, [None] + [1.0] * (DIMENSION - 1), [0.0] * DIMENSION, [1e300] * DIMENSION],
    ids=["nan", "null", "zeros", "too large"],
)
def test_a_vector_that_has_no_direction_is_the_rows_fault(
    server: EmbeddingServer, embedding: list[float | None]
) -> None:
    server.spoil = changed(3, embedding=embedding)
    with pytest.raises(RecordError, match="not finite, or zero"):
        server.embedder().embed(TEXTS)


@pytest.mark.parametrize("options", [{"dimensions": 16}, {"batch_texts": 6}])
def test_vectors_of_another_length_than_was_asked_for_or_of_two_lengths(
    server: EmbeddingServer, options: dict[str, Any]
) -> None:
    def spoil(entries: Entries) -> Entries:
        server.spoil = lambda later: later
        return [{**one, "embedding": [1.0] * 8} for one in entries]

    server.spoil = spoil
    with pytest.raises(PermanentError, match="of another length than it was asked for, or of two"):
        server.embedder(**options).embed(TEXTS)


def test_no_server_at_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        made = OpenAiOptions.model_validate({"url": url, "model": "m"})
        with pytest.raises(TransientError, match="cannot be reached") as failure:
            OpenAiEmbedder(made, lambda *_: None).embed(["x"])
    assert url in failure.value.message


@pytest.mark.timeout(30)
@pytest.mark.parametrize("drips", [b"", b"H", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_server_that_says_nothing_or_drips_is_given_up_in_time(drips: bytes) -> None:
    """The time is for all of an answer, not for each of its bytes."""
    given_up = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(drips)
            while drips and not given_up.wait(0.02):
                connection.sendall(b"x")
            given_up.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        dripping = pool.submit(drip, listening)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        embedder = OpenAiEmbedder(OpenAiOptions.model_validate({"url": url, "model": "m", "timeout": 0.3}))
        with pytest.raises(SyncdError) as failure:
            embedder.embed(["x"])
        given_up.set()
        dripping.result()
    assert isinstance(failure.value, TransientError)


@pytest.mark.timeout(60)
def test_a_server_that_hangs_does_not_keep_a_process_alive() -> None:
    """A daemon that stops does not wait for answers: neither the run's thread nor those beside it hold it."""
    program = (
        "import sys, threading\n"
        "from syncd.embed.openai import OpenAiEmbedder, OpenAiOptions\n"
        "made = OpenAiOptions.model_validate({'url': sys.argv[1], 'model': 'm', 'timeout': 3600, 'batch_texts': 1})\n"
        "embedder = OpenAiEmbedder(made)\n"
        "threading.Thread(target=embedder.embed, args=[['a', 'b', 'c']], daemon=True).start()\n"
        "sys.stdin.read()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            asking = [silent.accept()[0] for _ in range(3)]
            _, told = process.communicate(timeout=50)
            for connection in asking:
                connection.close()
    assert (process.returncode, told) == (0, b"")
