"""What was measured, as medians over the rounds and as ratios within each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

SYNCD, LOOP = "syncd", "handwritten"
NAMES: Mapping[str, str] = {
    SYNCD: "syncd",
    LOOP: "hand-written loop",
    "langchain": "LangChain `index()`",
    "llamaindex": "LlamaIndex pipeline",
    "cocoindex": "CocoIndex",
    "dlt": "dlt",
}
HARD: Mapping[str, str] = {
    "shrinking": "long texts shrink",
    "deletes": "rows deleted without a mark",
    "late commit": "a late commit",
    "no stamp": "rows whose stamp is NULL",
    "poison": "a text that the model refuses",
    "lost": "50 vectors lost",
    "killed": "kill -9, then once more",
}


def described(machine: Mapping[str, Any]) -> str:
    """Say on what something was measured, and how busy it was otherwise."""
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['gigabytes']} GB, "
        f"{machine['system']}, Python {machine['python']}; load {machine['load']} in the 15 minutes before the end"
    )


class Figures:
    """One report of `make bench`, ready to be told.

    Args:
        report: what `benchmarks.peers` wrote.
    """

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report
        self._outcomes: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] = report["outcomes"]
        self.peers = [peer for peer in NAMES if peer in self._outcomes]

    def middle(self, peer: str, workload: str, field: str) -> float | None:
        """Return the median of a field over the rounds; None where a round has none."""
        values = [outcome[field] for outcome in self._outcomes[peer].get(workload, [])]
        return None if not values or None in values else median(values)

    def ratio(self, peer: str, other: str, workload: str, field: str) -> float | None:
        """Return the median of how many times the other's value a peer's is, round by round."""
        if other not in self.peers:
            return None
        pairs = zip(self._outcomes[peer].get(workload, []), self._outcomes[other].get(workload, []), strict=False)
        ratios = [mine[field] / theirs[field] for mine, theirs in pairs if mine[field] and theirs[field]]
        return median(ratios) if ratios else None

    def rows_per_second(self, peer: str) -> float | None:
        """Return how many rows of the larger table a first sync brings over in a second."""
        seconds = self.middle(peer, "first", "seconds")
        return None if seconds is None else self.report["rows"] / seconds

    def range_per_second(self, peer: str) -> tuple[float, float] | None:
        """Return the same of the slowest round and of the fastest; None where there are not several, or no times."""
        seconds = [outcome["seconds"] for outcome in self._outcomes[peer].get("first", [])]
        if len(seconds) < 2 or None in seconds:
            return None
        return self.report["rows"] / max(seconds), self.report["rows"] / min(seconds)

    def wrong(self, peer: str, workload: str) -> dict[str, int] | None:
        """Return how many rows were wrong in the worst round, by kind; None where it was not measured."""
        outcomes = self._outcomes[peer].get(workload)
        if not outcomes:
            return None
        worst = max(outcomes, key=lambda outcome: sum(outcome["wrong"].values()))
        return {kind: count for kind, count in worst["wrong"].items() if count}

    def failed(self, peer: str, workload: str) -> bool:
        """Tell whether a run ended with an error."""
        return any(outcome["error"] for outcome in self._outcomes[peer].get(workload, []))
