"""Figures are medians over the rounds, and ratios are taken within a round."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.figures import Figures
from benchmarks.peers.page import better

RIGHT = {"missing": 0, "stale": 0, "orphaned": 0, "duplicated": 0}


def _outcome(seconds: float, embedded: int = 100, **wrong: int) -> dict[str, Any]:
    return {
        "process_seconds": seconds + 1,
        "seconds": seconds,
        "embedded": embedded,
        "megabytes": 500.0,
        "error": None,
        "wrong": RIGHT | wrong,
    }


def _figures(**outcomes: dict[str, list[dict[str, Any]]]) -> Figures:
    return Figures({"rows": 1000, "outcomes": outcomes})


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    """A round in which the machine was slow for everybody changes nothing."""
    figures = _figures(
        syncd={"first": [_outcome(1), _outcome(10), _outcome(2)]},
        handwritten={"first": [_outcome(2), _outcome(20), _outcome(3)]},
    )
    assert figures.ratio("handwritten", "syncd", "first", "seconds") == 2
    assert figures.rows_per_second("syncd") == 500
    assert figures.range_per_second("syncd") == (100, 1000)


def test_the_worst_round_says_what_is_wrong() -> None:
    """One wrong row in one round is not averaged away."""
    figures = _figures(syncd={"killed": [_outcome(1), _outcome(1, missing=3), _outcome(1, stale=1)]})
    assert figures.wrong("syncd", "killed") == {"missing": 3}


def test_where_a_peer_is_better_is_told() -> None:
    """Time, embeddings and wrong rows, each by itself; where syncd is better, nothing is said."""
    figures = _figures(
        syncd={"first": [_outcome(4, embedded=102)], "deletes": [_outcome(1, orphaned=5)]},
        langchain={"first": [_outcome(2)], "deletes": [_outcome(1)]},
        dlt={"first": [_outcome(8, embedded=200)], "deletes": [_outcome(1, orphaned=5)]},
    )
    assert better(figures) == [
        "LangChain `index()`: the first sync takes syncd 2.00 times as long.",
        "LangChain `index()`: the first sync embeds 100 texts, with syncd 102.",
        "LangChain `index()`: after “rows deleted without a mark” right, "
        "with syncd **5 orphaned** until the table is compared.",
    ]
