"""Databases, tables and columns are shown to those who may see them, and never a URL."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.model.access import Scope
from tests.integration.api.shelf import Shelf, shelf
from tests.tables import execute

CANARY = "hunter2-canary"
TABLES = "/v1/databases/shop/tables"


@pytest.fixture
def shop(tmp_path: Path, any_url: str) -> Iterator[Shelf]:
    """A database of each kind with eleven tables and a view."""
    execute(
        any_url,
        *(
            f"CREATE TABLE t{n:02} (id INTEGER PRIMARY KEY, body VARCHAR(20), updated_at TIMESTAMP NULL)"
            for n in range(11)
        ),
        "CREATE VIEW latest AS SELECT id, body FROM t00",
    )
    with shelf(tmp_path, url=any_url) as opened:
        yield opened


def test_tables_come_in_pages_with_a_link_to_the_next(shop: Shelf) -> None:
    found: list[dict[str, Any]] = []
    url: str | None = f"{TABLES}?limit=5"
    while url is not None:
        answer = shop.client.get(url)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        url = answer.links.get("next", {}).get("url")
    assert [table["name"] for table in found] == ["latest", *(f"t{n:02}" for n in range(11))]
    assert [set(table) for table in found] == [{"schema", "name", "kind", "row_estimate"}] * 12
    assert [table["kind"] for table in found] == ["view", *["table"] * 11]
    schema = found[0]["schema"]
    if schema is not None:
        of_schema = shop.client.get(TABLES, params={"schema": schema, "limit": 100}).json()["data"]
        assert of_schema == found
        assert shop.client.get(f"{TABLES}/{schema}.t03").json()["name"] == "t03"
    nowhere = shop.client.get(TABLES, params={"schema": 'nowhere"; DROP TABLE t00; --'})
    assert nowhere.json() == {"data": [], "next_cursor": None, "has_more": False}


def test_a_table_is_told_with_columns_indexes_and_suggestions(shop: Shelf) -> None:
    answer = shop.client.get(f"{TABLES}/t07")
    assert answer.status_code == 200
    told = answer.json()
    assert [column["name"] for column in told["columns"]] == ["id", "body", "updated_at"]
    assert told["columns"][1] == {
        "name": "body",
        "type": told["columns"][1]["type"],
        "nullable": True,
        "primary_key": None,
        "filter_column": True,
        "content": True,
        "metadata": True,
    }
    assert told["columns"][0]["primary_key"] == 1
    assert told["suggested_filter_columns"] == ["updated_at"]
    assert told["suggested_content_columns"] == ["body"]
    assert told["indexes"] == []


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "t00%22%3B%20DROP%20TABLE%20t01%3B%20--",
        "t00'%20OR%20'1'='1",
        "a.b.c",
        "..%2F..%2Fetc%2Fpasswd",
        "..",
        "%2Fetc%2Fpasswd",
        "t00%00",
        "%25s",
        "T00%20",
        "x" * 5000,
        "%FF%FE",
        "pg_catalog.pg_authid",
        "mysql.user",
        "sqlite_master",
    ],
)
def test_a_table_that_is_not_there_is_a_404_whatever_its_name(shop: Shelf, name: str) -> None:
    answer = shop.client.get(f"{TABLES}/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), answer.text
    assert len(shop.client.get(f"{TABLES}?limit=100").json()["data"]) == 12


def test_a_database_that_is_not_configured_is_a_404(shop: Shelf) -> None:
    for path in ("/v1/databases/nothing/tables", "/v1/databases/nothing/tables/t00", "/v1/databases/..%2f/tables"):
        answer = shop.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), path


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=zzz", "cursor=dGFibGVzOjE", "schemas=x", "schema=" + "x" * 256]
)
def test_a_question_that_is_not_understood_is_refused(tmp_path: Path, query: str) -> None:
    with shelf(tmp_path) as opened:
        answer = opened.client.get(f"{TABLES}?{query}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "INVALID_REQUEST")


def test_databases_are_listed_by_name_and_kind_without_being_asked(tmp_path: Path) -> None:
    more = "server: {port: 0}\n"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://reader:{CANARY}@127.0.0.1:{taken.getsockname()[1]}/crm?sslpassword={CANARY}"
        with shelf(tmp_path, url=url, more=more) as opened:
            answer = opened.client.get("/v1/databases")
            assert answer.json()["data"] == [{"name": "shop", "dialect": "postgresql"}]
            down = [opened.client.get(path) for path in (TABLES, f"{TABLES}/t")]
    for told in down:
        assert (told.status_code, told.json()["error"]["code"]) == (503, "TRANSIENT")
        assert "did not answer" in told.json()["error"]["message"]
        assert told.headers["Retry-After"]
        assert CANARY not in told.text
    assert CANARY not in answer.text


def test_only_those_who_may_see_a_database_see_it(tmp_path: Path) -> None:
    execute(f"sqlite:///{tmp_path}/shop.db", "CREATE TABLE t (id INTEGER)")
    paths = ("/v1/databases", TABLES, f"{TABLES}/t")
    with shelf(tmp_path) as opened:
        every = frozenset(Scope) - {Scope.ADMIN}
        opened.ask_as("no scope", *(every - {Scope.JOBS_READ}))
        assert [opened.client.get(path).status_code for path in paths] == [403, 403, 403]
        opened.ask_as("other database", *every, databases=frozenset({"crm"}))
        assert [opened.client.get(path).status_code for path in paths] == [200, 403, 403]
        assert opened.client.get("/v1/databases").json()["data"] == []
        assert opened.client.get("/v1/databases/unknown/tables").status_code == 403
        opened.ask_as("this database", *every, databases=frozenset({"shop"}))
        assert [opened.client.get(path).status_code for path in paths] == [200, 200, 200]
