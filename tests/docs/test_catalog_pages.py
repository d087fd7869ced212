"""The requests of docs/api/databases.md and knowledge-bases.md get the answers that stand below them."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks, commands
from tests.integration.api.shelf import Shelf, shelf
from tests.tables import execute

PAGES = ["docs/api/databases.md", "docs/api/knowledge-bases.md"]


@pytest.fixture
def opened(tmp_path: Path, postgres_url: str) -> Iterator[Shelf]:
    """What the pages speak of: a shop in PostgreSQL, and a knowledge base that one job fills."""
    execute(
        postgres_url,
        "CREATE TABLE orders (id bigint PRIMARY KEY, product varchar(40) NOT NULL, photo bytea, updated_at timestamptz)",
        "CREATE INDEX orders_by_time ON orders (updated_at, id)",
        "CREATE VIEW latest AS SELECT id, product FROM orders",
        "INSERT INTO orders SELECT n, 'tea', NULL, now() FROM generate_series(1, 200) n",
        "ANALYZE orders",
    )
    with shelf(tmp_path, url=postgres_url) as opened:
        opened.job("sync_orders", "orders_kb", source_table="shop.orders")
        yield opened


@pytest.mark.parametrize("page", PAGES)
def test_each_request_gets_the_answer_below_it(opened: Shelf, page: str) -> None:
    examples = blocks("sh", "json", page=page)
    requests = [block for block in examples if block.language == "sh"]
    assert len(requests) >= 3
    made: dict[str, str] = {}
    for request, below in itertools.pairwise([*examples, Block(Path(), 0, "", "")]):
        if request.language == "sh":
            _check(opened, request, below.text if below.language == "json" else None, made)


def _check(opened: Shelf, request: Block, expected: str | None, made: dict[str, str]) -> None:
    """Send a request, and compare the answer; `made` are the real ids of generations, by those of the page."""
    [line] = commands(request)
    words = shlex.split(line)
    given = {option: words[words.index(option) + 1] for option in ("-X", "-d") if option in words}
    [url] = [word for word in words if word.startswith("http://127.0.0.1:8000/")]
    headers = {"X-Request-Id": "docs", "Content-Type": "application/json"}
    for shown, real in made.items():
        url = url.replace(shown, real)
    method = given.get("-X", "POST" if "-d" in given else "GET")
    answer = opened.client.request(
        method, url.removeprefix("http://127.0.0.1:8000"), content=given.get("-d"), headers=headers
    )
    if expected is None:
        assert answer.status_code == 204, answer.text
        return
    told, wanted = answer.json(), json.loads(expected)
    if "generation" in wanted:
        made[wanted["generation"]["id"]] = told["generation"]["id"]
        assert datetime.fromisoformat(told["generation"]["created_at"]).tzinfo is not None
        told["generation"] |= {name: wanted["generation"][name] for name in ("id", "created_at")}
    assert told == wanted, request.id
