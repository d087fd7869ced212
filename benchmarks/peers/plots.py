"""Draws what was measured, as small SVG files beside the page.

python -m benchmarks.peers.plots
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers.figures import NAMES, SYNCD, Figures

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
OURS, THEIRS = "#1b6ca8", "#b8c4ce"


def main() -> None:
    """Draw docs/benchmarks/first-sync.svg from docs/benchmarks/peers.json."""
    import matplotlib as mpl

    mpl.use("svg")
    # So that the same figures give the same file.
    mpl.rcParams |= {"svg.hashsalt": "syncd", "svg.fonttype": "none"}
    from matplotlib import pyplot as plt

    figures = Figures(json.loads((FOLDER / "peers.json").read_text()))
    speeds = {peer: figures.rows_per_second(peer) or 0.0 for peer in reversed(figures.peers)}
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.45 * len(speeds)))
    bars = axes.barh(
        [NAMES[peer].replace("`", "") for peer in speeds],
        list(speeds.values()),
        color=[OURS if peer == SYNCD else THEIRS for peer in speeds],
    )
    axes.bar_label(bars, fmt="{:,.0f}", padding=4)
    axes.set_xlabel(f"rows a second, first sync of {figures.report['rows']:,} short rows")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(FOLDER / "first-sync.svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
