"""Writes what is made from models and measurements: the configuration's reference and schema, and the
figures of tortures and benchmarks.

python docs/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.page import peers_section, speed_section
from benchmarks.stages.table import table as stages_table
from syncd.config.reference import reference
from syncd.config.schema import json_schema
from syncd.plugins import Plugins

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUARANTEES = ROOT / "docs" / "guarantees.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- {}: made by docs/generate.py -->\n", "<!-- end of {} -->"


def generated() -> dict[Path, str]:
    """Return what each generated file must hold, by its path."""
    parts = Plugins(offered=()).parts()
    return {
        ROOT / "docs" / "config.md": reference(parts),
        ROOT / "config" / "syncd.schema.json": json.dumps(json_schema(parts), indent=2) + "\n",
        README: _placed(README.read_text(encoding="utf-8"), "speed", speed_section(_measured("peers"))),
        GUARANTEES: _placed(GUARANTEES.read_text(encoding="utf-8"), "figures", _figures()),
        PERFORMANCE: _performance(PERFORMANCE.read_text(encoding="utf-8")),
        BENCHMARKS: _benchmarks(BENCHMARKS.read_text(encoding="utf-8")),
    }


def _placed(text: str, name: str, table: str) -> str:
    """Put a table between the marks of its name."""
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    return before + begin + table + end + after


def _figures() -> str:
    """Return the figures of docs/torture/ as a table."""
    reports = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "torture").glob("*.json"))]
    reports.sort(key=lambda report: (report["subject"] != "syncd", -report["killed"]))
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


def _performance(text: str) -> str:
    """Put the figures of docs/performance/ between their marks."""
    ticks, start, memory = (
        json.loads((ROOT / "docs" / "performance" / f"{name}.json").read_text())
        for name in ("ticks", "start", "memory")
    )
    for name, table in {
        "ticks": _ticks(ticks["ticks"]),
        "run": f"A whole run that finds nothing, with all its records: {ticks['whole_run_ms']:.0f} ms.\n",
        "starts": _table(
            ("", "seconds", "of processor time"),
            [(one["what"], f"{one['seconds']:.2f}", f"{one['cpu_seconds']:.2f}") for one in start],
        ),
        "peaks": _table(
            ("rows", "a store on disk, MB", "Chroma, MB"),
            [
                (_number(rows), _peak(memory["first_sync_sqlite"], rows), _peak(memory["first_sync_chroma"], rows))
                for rows in sorted(
                    {one["rows"] for kind in ("sqlite", "chroma") for one in memory[f"first_sync_{kind}"]}
                )
            ],
        ),
        "idle": _table(("jobs", "MB"), [(str(one["jobs"]), f"{one['held_mb']:.0f}") for one in memory["idle_daemon"]]),
    }.items():
        text = _placed(text, name, table)
    return text


def _ticks(found: list[dict[str, Any]]) -> str:
    rows = [
        (
            one["database"],
            one["stamps"],
            _number(one["rows"]),
            f"{one['idle_ms']:.1f}",
            "–" if one["changed_ms"] is None else f"{one['changed_ms']:.0f}",
        )
        for one in found
    ]
    return _table(("", "stamps", "rows", "nothing new, ms", "100 rows new, ms"), rows)


def _peak(found: list[dict[str, Any]], rows: int) -> str:
    return next((f"{one['peak_mb']:.0f}" for one in found if one["rows"] == rows), "–")


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [titles, ("---", *["---:"] * (len(titles) - 1)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _benchmarks(text: str) -> str:
    """Put what `make bench` measured between its marks."""
    text = _placed(text, "peers", peers_section(_measured("peers")))
    return _placed(text, "stages", stages_table(_measured("stages")))


def _measured(name: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((ROOT / "docs" / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
    return report


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
