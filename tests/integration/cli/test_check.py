"""`syncd check`: every fault of every job, with its remedy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from tests.integration.cli.conftest import CONFIG, SYNCD, Shop, Started, clean_environ
from tests.services import ChromaServer

HASHING = "{type: hashing}"


def test_json_says_of_each_job_all_that_was_found(shop: Shop) -> None:
    found = shop.json("check")
    assert found == {
        "config": "syncd.yaml",
        "jobs": [
            {
                "job": "orders",
                "ok": True,
                "faults": [],
                "source_table": "shop.orders",
                "source": {
                    "key": ["id"],
                    "filter_column": "updated_at",
                    "filter_type": "time written YYYY-MM-DD HH:MM:SS[.f]",
                    "indexed": False,
                    "index_hint": "CREATE INDEX syncd_orders_updated_at_id ON orders (updated_at, id);",
                    "estimated_rows": 41,
                    "null_filter_values": 1,
                    "rows_ahead": 40,
                    "warnings": [],
                    "columns": [
                        {"name": "product", "null_share": 0.0, "mean_length": found_mean(found), "longest": 27},
                    ],
                },
                "watermark": None,
                "knowledge_base": {
                    "name": "goods",
                    "type": "chroma",
                    "place": "data/kb",
                    "state": "new",
                    "chunks": None,
                },
                "embedder": {"name": "hashing", "max_tokens": found["jobs"][0]["embedder"]["max_tokens"]},
            }
        ],
    }
    assert 20 < found_mean(found) < 27


def found_mean(found: dict[str, object]) -> float:
    """The mean length that was found; its exact value is not the point."""
    mean = found["jobs"][0]["source"]["columns"][0]["mean_length"]  # type: ignore[index]  # JSON has no static shape
    assert isinstance(mean, float)
    return mean


@pytest.mark.parametrize("found", ["shop", "synced_shop"])
def test_a_check_makes_and_changes_no_file(found: str, request: pytest.FixtureRequest) -> None:
    """Before the first run and after it."""
    shop: Shop = request.getfixturevalue(found)
    before = _contents(shop)
    assert shop.syncd("check").returncode == 0
    assert _contents(shop) == before


def test_a_check_makes_no_collection_on_a_server(shop: Shop, own_chroma_server: ChromaServer) -> None:
    config = CONFIG.format(url="sqlite:///shop.db").replace("path: data/kb", f"url: {own_chroma_server.url}")
    shop.configure(config)
    [job] = shop.json("check")["jobs"]
    assert (job["ok"], job["knowledge_base"]["state"]) == (True, "new")
    place = "api/v2/tenants/default_tenant/databases/default_database/collections"
    assert httpx.get(f"{own_chroma_server.url}/{place}").json() == []
    assert shop.syncd("sync", "--all").returncode == 0
    [job] = shop.json("check")["jobs"]
    assert (job["knowledge_base"]["state"], job["knowledge_base"]["chunks"]) == ("ready", 40)


def _contents(shop: Shop) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(shop.folder.rglob("*")) if path.is_file()}


def test_after_a_sync_the_next_run_starts_at_the_watermark(synced_shop: Shop) -> None:
    [job] = synced_shop.json("check", "orders")["jobs"]
    assert job["watermark"] == "2026-01-01 00:00:40"
    assert job["knowledge_base"]["state"] == "ready"
    assert job["knowledge_base"]["chunks"] == 40


def test_people_are_told_of_null_filter_values_and_the_missing_index_with_its_statement(shop: Shop) -> None:
    done = shop.syncd("check")
    assert done.returncode == 0
    assert "1 row(s) are never read, because their updated_at is NULL" in done.stdout
    assert "CREATE INDEX syncd_orders_updated_at_id ON orders (updated_at, id);" in done.stdout
    shop.execute("CREATE INDEX syncd_orders_updated_at_id ON orders (updated_at, id)")
    after = shop.syncd("check").stdout
    assert "updated_at (time written YYYY-MM-DD HH:MM:SS[.f]), indexed" in after
    assert "CREATE INDEX" not in after


def test_every_fault_of_every_job_is_told_at_once_and_exits_with_2(shop: Shop) -> None:
    more = """\
  lost:
    {source_table: shop.lost, kb_name: goods, content_columns: [product], filter_column: id, interval: DAILY}
  wrong:
    {source_table: shop.orders, kb_name: other, content_columns: [prodcut], filter_column: id, interval: DAILY}
"""
    text = CONFIG.format(url="sqlite:///shop.db").replace("server:", f"{more}server:")
    other = (
        "  other: {type: chroma, path: data/other, embedder: {type: sentence-transformers, model: ./no-model}}\njobs:"
    )
    shop.configure(text.replace("jobs:", other))
    done = shop.syncd("check", "--json")
    assert done.returncode == 2
    jobs = {job["job"]: job for job in json.loads(done.stdout)["jobs"]}
    assert jobs["orders"]["ok"]
    [lost] = jobs["lost"]["faults"]
    assert "lost" in lost["message"]
    assert lost["kind"] == "definition"
    column, model = jobs["wrong"]["faults"]
    assert "prodcut" in column["message"]
    assert "product" in column["message"] + column["hint"]
    assert "no-model" in model["message"]


def test_a_database_that_does_not_answer_exits_with_3(shop: Shop) -> None:
    shop.configure(CONFIG.format(url="postgresql://reader:hush-hush@127.0.0.1:1/none"))
    done = shop.syncd("check")
    assert done.returncode == 3
    assert "did not answer" in done.stdout
    assert "hush-hush" not in done.stdout + done.stderr


def test_a_knowledge_base_that_holds_vectors_of_another_model_is_a_fault(shop: Shop) -> None:
    shop.json("sync", "orders")
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace(HASHING, "{type: hashing, dimension: 64}"))
    done = shop.syncd("check", "--json")
    assert done.returncode == 2
    [fault] = json.loads(done.stdout)["jobs"][0]["faults"]
    assert fault["kind"] == "definition"


def test_a_knowledge_base_in_a_daemons_hands_is_no_fault(shop: Shop, daemon_of: Callable[[Shop], Started]) -> None:
    daemon = daemon_of(shop)
    [job] = shop.json("check")["jobs"]
    assert job["ok"]
    assert job["knowledge_base"]["state"] == f"in use by syncd run, pid {daemon.process.pid}"


def test_an_unknown_job_is_your_input(shop: Shop) -> None:
    done = shop.syncd("check", "order")
    assert done.returncode == 2
    assert "did you mean orders?" in done.stderr


def test_postgresql_is_checked_too(shop: Shop, postgres_url: str) -> None:
    engine = sa.create_engine(sa.make_url(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "Sales Dept"')
        connection.exec_driver_sql(
            'CREATE TABLE "Sales Dept"."Orders" (id BIGINT PRIMARY KEY, product TEXT, "Updated" TIMESTAMPTZ)'
        )
        connection.exec_driver_sql("""INSERT INTO "Sales Dept"."Orders" VALUES (1, 'one', now()), (2, NULL, now())""")
    shop.configure(
        CONFIG.format(url=json.dumps(postgres_url))
        .replace("shop.orders", '"shop.Sales Dept.Orders"')
        .replace("filter_column: updated_at", "filter_column: Updated")
        .replace("[code, price, stocked]", "[]")
    )
    [job] = shop.json("check")["jobs"]
    assert job["source"]["rows_ahead"] == 2
    assert job["source"]["columns"][0]["null_share"] == 0.5
    with engine.begin() as connection:
        connection.exec_driver_sql(job["source"]["index_hint"])
    engine.dispose()
    assert shop.json("check")["jobs"][0]["source"]["indexed"]


def test_the_program_itself_says_nothing_as_it_ends(synced_shop: Shop) -> None:
    """Whatever of Chroma or Python would still be let go then."""
    done = subprocess.run(
        [SYNCD, "check"], cwd=synced_shop.folder, env=clean_environ(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ready, 40 chunks" in done.stdout
