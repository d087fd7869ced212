"""`syncd search`, alone and through a daemon."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.integration.cli.conftest import CONFIG, Shop, Started


def test_json_is_a_list_of_id_score_text_and_metadata_with_the_best_first(synced_shop: Shop) -> None:
    found = synced_shop.json("search", "goods", "article number7 in shade7", "-k", "3")
    assert len(found) == 3
    assert all(list(match) == ["id", "score", "text", "metadata"] for match in found)
    assert found[0]["id"] == "shop.orders:7#0"
    assert found[0]["text"] == "product: article number7 in shade7"
    assert found[0]["metadata"] == {"code": "007", "price": 3.5, "stocked": 1, "updated_at": "2026-01-01 00:00:07"}
    assert [match["score"] for match in found] == sorted((match["score"] for match in found), reverse=True)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("price=3.5", ["shop.orders:7#0"]),
        ('code="007"', ["shop.orders:7#0"]),
        ("code=007", []),
        ("updated_at=2026-01-01 00:00:09", ["shop.orders:9#0"]),
    ],
)
def test_where_reads_numbers_as_numbers_and_quoted_values_as_text(
    synced_shop: Shop, condition: str, ids: list[str]
) -> None:
    found = synced_shop.json("search", "goods", "article", "--where", condition)
    assert [match["id"] for match in found] == ids


def test_several_conditions_must_all_hold(synced_shop: Shop) -> None:
    found = synced_shop.json("search", "goods", "article", "-k", "100", "--where", "stocked=1", "--where", "price=3.5")
    assert [match["id"] for match in found] == ["shop.orders:7#0"]


def test_people_see_score_id_metadata_and_text(synced_shop: Shop) -> None:
    done = synced_shop.syncd("search", "goods", "article number7 in shade7", "-k", "1")
    assert done.returncode == 0
    head, metadata, text = done.stdout.splitlines()
    assert head.endswith("shop.orders:7#0")
    assert "code=007" in metadata
    assert text.strip() == "product: article number7 in shade7"


def test_a_search_without_answers_says_so_and_is_no_failure(synced_shop: Shop) -> None:
    done = synced_shop.syncd("search", "goods", "article", "--where", "code=nowhere")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was found" in done.stderr


def test_a_knowledge_base_that_nothing_was_synced_into_has_no_answers_and_is_not_made(shop: Shop) -> None:
    assert shop.json("search", "goods", "article") == []
    assert not (shop.folder / "data").exists()


def test_an_unknown_knowledge_base_and_a_bad_condition_are_your_input(synced_shop: Shop) -> None:
    unknown = synced_shop.syncd("search", "godos", "article")
    assert unknown.returncode == 2
    assert "did you mean goods?" in unknown.stderr
    bad = synced_shop.syncd("search", "goods", "article", "--where", "price")
    assert bad.returncode == 2
    assert "COLUMN=VALUE" in bad.stderr


def test_through_a_daemon_the_answers_are_the_same(shop: Shop, daemon_of: Callable[[Shop], Started]) -> None:
    shop.json("sync", "orders")
    question = ("search", "goods", "article number7 in shade7", "--where", "stocked=1")
    alone = shop.json(*question)
    daemon_of(shop)
    assert shop.json(*question) == alone


def test_a_knowledge_base_that_the_daemon_does_not_know_is_told_with_a_remedy(
    shop: Shop, daemon_of: Callable[[Shop], Started]
) -> None:
    daemon_of(shop)
    (shop.folder / "other.yaml").write_text(CONFIG.format(url="sqlite:///shop.db").replace("goods", "wares"))
    done = shop.syncd("search", "wares", "article", "--config", "other.yaml")
    assert done.returncode == 2
    assert "has no knowledge base" in done.stderr


def test_an_unloadable_model_is_told_without_a_traceback(shop: Shop) -> None:
    (shop.folder / "data/kb").mkdir(parents=True)
    text = CONFIG.format(url="sqlite:///shop.db")
    shop.configure(text.replace("{type: hashing}", "{type: sentence-transformers, model: ./no-model}"))
    done = shop.syncd("search", "goods", "article", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no-model" in done.stderr
    assert "Traceback" not in done.stderr


def test_debugging_shows_where_it_happened(shop: Shop) -> None:
    done = shop.syncd("search", "godos", "article", SYNCD_DEBUG="1")
    assert "Traceback" in done.stderr
    assert json.dumps("godos") in done.stderr
