"""Measures each stage of a sync and its limit, and prints them beside each other.

python -m benchmarks.stages
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.machine import machine
from benchmarks.stages.table import table

TESTS = Path(__file__).with_name("test_stages.py")


def main() -> None:
    """Run the benchmarks, and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/stages.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder) / "measured.json"
        code = pytest.main([str(TESTS), "--quiet", "--benchmark-quiet", f"--benchmark-json={measured}"])
        if code:
            sys.exit(code)
        benchmarks = json.loads(measured.read_text())["benchmarks"]
    report = {"machine": machine(), "stages": _stages(benchmarks)}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report), end="")


def _stages(benchmarks: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    from benchmarks.stages.test_stages import ITEMS

    seconds = {(one["group"], one["name"]): one["stats"]["median"] for one in benchmarks}
    return {
        stage: {
            "items": items,
            "syncd_seconds": round(seconds[stage, "test_syncd"], 6),
            "limit_seconds": round(seconds[stage, "test_limit"], 6),
        }
        for stage, items in ITEMS.items()
    }


if __name__ == "__main__":
    main()
