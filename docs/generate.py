"""Writes what is made from models and measurements: the configuration's reference and schema, and a torture's figures.

python docs/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from syncd.config.reference import reference
from syncd.config.schema import json_schema
from syncd.plugins import Plugins

ROOT = Path(__file__).parent.parent
GUARANTEES = ROOT / "docs" / "guarantees.md"
BEGIN, END = "<!-- figures: made by docs/generate.py -->\n", "<!-- end of figures -->"


def generated() -> dict[Path, str]:
    """Return what each generated file must hold, by its path."""
    parts = Plugins(offered=()).parts()
    return {
        ROOT / "docs" / "config.md": reference(parts),
        ROOT / "config" / "syncd.schema.json": json.dumps(json_schema(parts), indent=2) + "\n",
        GUARANTEES: _with_figures(GUARANTEES.read_text(encoding="utf-8")),
    }


def _with_figures(text: str) -> str:
    """Put the figures of docs/torture/ between their marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    reports = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "torture").glob("*.json"))]
    reports.sort(key=lambda report: (report["subject"] != "syncd", -report["killed"]))
    return before + BEGIN + _figures(reports) + END + after


def _figures(reports: list[dict[str, Any]]) -> str:
    rows = {
        "": [f"{report['subject']}, {report['database']}" for report in reports],
        "kills survived": [_number(report["killed"]) for report in reports],
        "at random moments": [_number(report["kills"].get("at random", 0)) for report in reports],
        "runs": [_number(report["runs"]["all"]) for report in reports],
        "changes of rows": [_number(sum(report["changes"].values())) for report in reports],
        "late commits": [_number(report["late_commits"]) for report in reports],
        "new definitions": [_number(report["reconfigurations"]) for report in reports],
        "looks between sweeps": [_number(report["inspections"]) for report in reports],
        "damaged stores": [_number(report["stores_healed"]) for report in reports],
        "texts that changed": [_of_syncd(report, report["texts"]["changed"]) for report in reports],
        "texts embedded": [_of_syncd(report, report["texts"]["embedded"]) for report in reports],
        "documents in the end": [_number(report["documents"]) for report in reports],
        **{f"**{what}**": [_wrong(report, what) for report in reports] for what in reports[0]["wrong"]},
        "seconds": [_number(round(report["seconds"])) for report in reports],
        "seed": [str(report["seed"]) for report in reports],
    }
    lines = [f"| {what} | {' | '.join(values)} |" for what, values in rows.items()]
    lines.insert(1, "| --- |" + " ---: |" * len(reports))
    return "\n".join(lines) + "\n"


def _number(count: int) -> str:
    return f"{count:,}"


def _of_syncd(report: dict[str, Any], count: int) -> str:
    return _number(count) if report["subject"] == "syncd" else "–"


def _wrong(report: dict[str, Any], what: str) -> str:
    if report["subject"] != "syncd" and what in {"missed by a pass", "embedded without need"}:
        return "–"
    return _number(report["wrong"][what])


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
