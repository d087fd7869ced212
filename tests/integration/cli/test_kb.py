"""`syncd kb`: generations are listed, made and dropped, here and through a daemon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.cli.conftest import Call, Shop, Started
from tests.waiting import until

OTHER = ("{type: hashing}", "{type: hashing, dimension: 64}")


def change_model(shop: Shop) -> None:
    shop.configure((shop.folder / "syncd.yaml").read_text().replace(*OTHER))


def test_a_model_is_changed_by_one_command(shop: Shop, call: Call) -> None:
    """Without a daemon the runs happen here; before, runs say which command that is, and searches go on."""
    assert call("sync", "orders").returncode == 0
    change_model(shop)
    refused = call("sync", "orders")
    assert refused.returncode == 1
    assert "`syncd kb rebuild goods` fills a new generation" in refused.stdout
    assert call("search", "goods", "article number7").stdout.partition("shop.orders:7")[1]
    assert call("kb", "list").stdout.splitlines()[1].split()[2:5] == ["serving", "hashing:256:1", "text:256:32"]
    rebuilt = call("kb", "rebuild", "goods")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "goods: a new generation is being filled by hashing:64:1 text:256:32" in rebuilt.stdout
    assert "goods: the new generation is complete, and is searched from now on" in rebuilt.stdout
    states = [line.split()[2:6] for line in call("kb", "list").stdout.splitlines()[1:]]
    assert states == [
        ["serving", "hashing:64:1", "text:256:32", "40"],
        ["former", "hashing:256:1", "text:256:32", "40"],
    ]
    assert call("search", "goods", "article number7").stdout.partition("shop.orders:7")[1]


def test_a_rebuild_that_cannot_be_complete_says_what_it_waits_for(shop: Shop, call: Call) -> None:
    """A paused job is not run behind somebody's back; its name and the way on are told."""
    call("sync", "orders")
    call("jobs", "pause", "orders")
    waiting = call("kb", "rebuild", "goods")
    assert waiting.returncode == 0
    assert (
        "waits for orders, which has not begun to fill it, and is paused: `syncd sync orders` runs it" in waiting.stderr
    )
    assert "was being filled already" in call("kb", "rebuild", "goods").stdout
    [serving, filling] = shop.json("kb", "list")[0]["generations"]
    assert (serving["state"], filling["state"], filling["chunks"]) == ("serving", "filling", 0)
    assert list(filling["waits_for"]) == ["orders"]
    refused = call("kb", "drop-generation", "goods", serving["id"])
    assert refused.returncode == 2
    assert "serves the knowledge base goods" in refused.stderr
    assert call("kb", "drop-generation", "goods", filling["id"]).returncode == 0
    assert [one["id"] for one in shop.json("kb", "list")[0]["generations"]] == [serving["id"]]


def test_what_is_unknown_is_told_and_nothing_is_made(shop: Shop, call: Call) -> None:
    """Looking makes no files, and a name that is wrong changes nothing."""
    done = call("kb", "list")
    assert done.returncode == 2
    assert "no knowledge base has been filled yet" in done.stderr
    assert not (shop.folder / "data").exists()
    assert call("kb", "rebuild", "nothing").returncode == 2
    call("sync", "orders")
    done = call("kb", "drop-generation", "goods", "another")
    assert (done.returncode, "has no generation 'another'" in done.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [(), ("--from-existing",)])
def test_beside_a_daemon_its_runs_fill_the_new_generation(
    shop: Shop, call: Call, daemon_of: Callable[[Shop], Started], arguments: tuple[str, ...]
) -> None:
    """The commands ask it, and it swaps by itself."""
    call("sync", "orders")
    daemon_of(shop)
    begun = call("kb", "rebuild", "goods", *arguments)
    assert begun.returncode == 0, begun.stderr
    assert "the daemon fills it with run_" in begun.stderr

    def states() -> list[str]:
        return [one["state"] for one in shop.json("kb", "list")[0]["generations"]]

    until(lambda: states() == ["serving", "former"])
    [run, *_] = [run for run in shop.json("runs") if run["trigger"] == "api"]
    assert (run["embedded"], run["recalled"]) == ((0, 40) if arguments else (40, 0))
    former = shop.json("kb", "list")[0]["generations"][1]["id"]
    assert call("kb", "drop-generation", "goods", former).returncode == 0
    assert states() == ["serving"]
    assert call("search", "goods", "article number7").stdout.partition("shop.orders:7")[1]
