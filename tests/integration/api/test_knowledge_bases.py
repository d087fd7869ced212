"""Knowledge bases are searched by meaning."""

from __future__ import annotations

import httpx
import pytest

from syncd.errors import InUse, PermanentError, RecordError, SyncdError, TransientError, Unavailable

from .conftest import World

SEARCH = "/v1/knowledge-bases/orders_kb/search"


@pytest.fixture(autouse=True)
def texts(world: World) -> None:
    """Three texts that share no word."""
    world.index.add("1#0", "a red bicycle with two wheels", category="sport", price=120.5, sold=False, size=None)
    world.index.add("2#0", "green apples from an orchard", category="food", price=3, sold=True, size=None)
    world.index.add("3#0", "a bicycle bell", category="sport", price=9, sold=True, size=None)


def test_the_nearest_chunks_come_first_with_id_score_text_and_metadata(client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "apples from the orchard", "k": 2})
    assert answer.status_code == 200
    best, second = answer.json()["data"]
    assert best == {
        "id": "2#0",
        "score": best["score"],
        "text": "green apples from an orchard",
        "metadata": {"category": "food", "price": 3, "sold": True, "size": None},
    }
    assert 1 >= best["score"] > second["score"]


def test_five_answers_come_when_no_number_is_named(client: httpx.Client, world: World) -> None:
    for number in range(10):
        world.index.add(f"more-{number}", f"number {number}")
    assert len(client.post(SEARCH, json={"query": "number"}).json()["data"]) == 5


def test_where_keeps_only_chunks_whose_metadata_equals_it(client: httpx.Client) -> None:
    def ids(**where: str | float | bool | None) -> list[str]:
        found = client.post(SEARCH, json={"query": "bicycle", "where": where})
        return sorted(match["id"] for match in found.json()["data"])

    assert ids(category="sport") == ["1#0", "3#0"]
    assert ids(category="sport", sold=True) == ["3#0"]
    assert ids(price=120.5) == ["1#0"]
    assert ids(size=None) == ["1#0", "2#0", "3#0"]
    assert ids(category="tools") == []


def test_a_knowledge_base_that_is_not_there_is_a_404(client: httpx.Client) -> None:
    answer = client.post("/v1/knowledge-bases/nothing/search", json={"query": "x"})
    assert answer.status_code == 404
    assert "GET /v1/knowledge-bases lists them" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (Unavailable("the folder data/kb cannot be written", "make it writable"), 503, "UNAVAILABLE", True),
        (InUse("process 12 has it", {"pid": "12"}, "stop it"), 503, "IN_USE", True),
        (TransientError("the server does not answer"), 503, "TRANSIENT", True),
        (PermanentError("it was filled by another model", "rebuild it"), 503, "PERMANENT", False),
        (RecordError("the text cannot be embedded"), 422, "RECORD", False),
    ],
)
def test_a_knowledge_base_that_cannot_answer_says_why_and_when_to_ask_again(
    client: httpx.Client, world: World, error: SyncdError, status: int, code: str, retry: bool
) -> None:
    world.index.error = error
    answer = client.post(SEARCH, json={"query": "bicycle"})
    assert answer.status_code == status
    assert answer.json()["error"] == {"code": code, "message": str(error), "details": []}
    assert ("Retry-After" in answer.headers) == retry
    world.index.error = None
    assert client.post(SEARCH, json={"query": "bicycle"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, {"query": "is required"}),
        ({"query": ""}, {"query": "must have at least 1 character"}),
        ({"query": "x" * 10_001}, {"query": "must have at most 10000 characters"}),
        (
            {"query": 5, "k": "3", "whre": {}},
            {"query": "must be text", "k": "must be a whole number", "whre": "is not known here"},
        ),
        ({"query": "x", "k": 0}, {"k": "must be at least 1"}),
        ({"query": "x", "k": 101}, {"k": "must be at most 100"}),
        ({"query": "x", "k": True}, {"k": "must be a whole number"}),
        ({"query": "x", "where": []}, {"where": "must be an object"}),
        (
            {"query": "x", "where": {"a": {"$gt": 1}, "b": [1], "c": 2**63, "": 1}},
            {
                "where.a": "must be text, a number of at most 64 bits, true, false or null",
                "where.b": "must be text, a number of at most 64 bits, true, false or null",
                "where.c": "must be text, a number of at most 64 bits, true, false or null",
                "where.": "must have at least 1 character",
            },
        ),
        ([], {"body": "must be a JSON object, sent with Content-Type: application/json"}),
    ],
)
def test_everything_wrong_with_a_search_is_listed_at_once(
    client: httpx.Client, body: object, details: dict[str, str]
) -> None:
    answer = client.post(SEARCH, json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "INVALID_REQUEST"
    assert {detail["field"]: detail["message"] for detail in error["details"]} == details


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b'{"query": NaN}', 422),
        (b'{"query": "x", "where": {"a": NaN}}', 422),
        (b'{"query": "\\ud800"}', 422),
        (b'{"query": "x", "where": {"\\ud800": []}}', 422),
        (b'{"query": "\xff"}', 400),
        (b"[" * 200_000, 400),
        (b'{"query": "x", "k": ' + b"9" * 5000 + b"}", 400),
    ],
)
def test_no_body_however_broken_is_more_than_a_client_error(client: httpx.Client, content: bytes, status: int) -> None:
    answer = client.post(SEARCH, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "INVALID_REQUEST")


def test_a_body_that_does_not_say_it_is_json_is_refused(client: httpx.Client) -> None:
    """A form or a plain text can be sent by any page without the browser asking first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(SEARCH, content=b'{"query": "bicycle"}', headers={"Content-Type": kind})
        assert answer.status_code == 422, kind
