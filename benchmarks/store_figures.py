"""Draws what `benchmarks.store` measured, and puts the figures into the page about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "store.md"
BEGIN, END = "<!-- figures: made by benchmarks.store -->\n", "<!-- end of figures -->"

_COLOURS = {"syncd": "#0b7285", "chroma": "#e8590c"}
_NAMES = {"syncd": "syncd", "chroma": "Chroma alone"}


def draw(figures: Path) -> None:
    """Write the picture beside the figures, and the table into the page."""
    sizes = json.loads(figures.read_text())["sizes"]
    _picture(sizes, figures.with_suffix(".svg"))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + _table(sizes) + END + rest.partition(END)[2], encoding="utf-8")


def _picture(sizes: dict[str, Any], file: Path) -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    # Text stays text, and equal figures make an equal file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "store", "font.size": 9, "font.family": "sans-serif"})
    operations = list(next(iter(sizes.values()))["ms"])
    picture, panels = pyplot.subplots(1, len(operations), figsize=(13, 2.8), layout="constrained")
    for panel, what in zip(panels, operations, strict=True):
        for name, colour in _COLOURS.items():
            costs = [one["ms"][what][name]["processors"] for one in sizes.values()]
            panel.plot([int(size) for size in sizes], costs, "o-", color=colour, label=_NAMES[name])
        panel.set(title=what, xscale="log", xlabel="documents held")
        panel.set_ylim(bottom=0)
        panel.set_xticks([int(size) for size in sizes], [f"{int(size) // 1000} k" for size in sizes])
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("processor ms a document")
    panels[0].legend(frameon=False)
    picture.savefig(file, metadata={"Date": None})
    pyplot.close(picture)


def _table(sizes: dict[str, Any]) -> str:
    lines = [
        "| documents held | | syncd, ms | Chroma alone, ms | ratio | ratio by the clock |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for size, one in sizes.items():
        for what, sides in one["ms"].items():
            syncd, chroma = sides["syncd"], sides["chroma"]
            ratios = (syncd[clock] / chroma[clock] for clock in ("processors", "clock"))
            costs = (side["processors"] for side in (syncd, chroma))
            figures = (*(f"{cost:.3g}" for cost in costs), *(f"{ratio:.2f}" for ratio in ratios))
            lines.append(f"| {int(size):,} | {what} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"
