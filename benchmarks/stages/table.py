"""Tells how near each stage comes to its limit, for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers.figures import described

LIMITS: Mapping[str, str] = {
    "read": "a bare cursor over the same query",
    "compare and hash": "blake2b of the texts alone",
    "split": "the tokens of each long text counted once",
    "count tokens": "the bare tokenizer",
    "embed": "sentence-transformers as it comes",
    "write": "ids and vectors into Chroma, without texts, metadata and marks",
    "commit": "one row updated in a SQLite file, as safe on the disk",
}


_HEAD = ("| stage | syncd, a second | limit, a second | reached | the limit |", "| --- | --- | --- | --- | --- |")


def table(report: Mapping[str, Any]) -> str:
    """Return the stages as a table: what syncd does in a second, what the limit does, and the share that is reached."""
    lines = [f"{described(report['machine'])}.", "", *_HEAD]
    for stage, measured in report["stages"].items():
        rates = [measured["items"] / measured[f"{whose}_seconds"] for whose in ("syncd", "limit")]
        lines.append(f"| {stage} | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[0] / rates[1]:.0%} | {LIMITS[stage]} |")
    return "\n".join(lines) + "\n"
