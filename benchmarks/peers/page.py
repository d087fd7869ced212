"""Tells what was measured, for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.figures import HARD, LOOP, NAMES, SYNCD, Figures, described

BETTER_BY = 1.05
"""From which ratio on a difference is told."""
SPEED: Mapping[str, tuple[str, str]] = {
    "first": ("seconds", "the first sync"),
    "unchanged": ("process_seconds", "a run without changes"),
    "texts": ("process_seconds", "a run after 1 % of the texts changed"),
    "metadata": ("process_seconds", "a run after 1 % of the metadata changed"),
}


def peers_section(report: Mapping[str, Any]) -> str:
    """Return all that is told of syncd and its peers."""
    figures = Figures(report)
    parts = [
        _circumstances(report) + ("" if _timed(figures) else " Neither time nor memory was measured in this run."),
        f"### The first sync of {report['rows']:,} short rows",
        _table(
            ["", "rows/s", "time, syncd = 1", "time, loop = 1", "texts embedded", "MB at most", "rows wrong"],
            [_first(figures, peer) for peer in figures.peers],
        ),
        *(["![Rows a second in the first sync](benchmarks/first-sync.svg)"] if _timed(figures) else []),
        "### Runs after that",
        _table(
            ["", "nothing changed", "1 % of the texts", "1 % of the metadata"],
            [[NAMES[peer], *(_run(figures, peer, name) for name in list(SPEED)[1:])] for peer in figures.peers],
        ),
        f"### What {report['small_rows']:,} rows look like afterwards",
        _table(
            ["", *(NAMES[peer] for peer in figures.peers)],
            [[says, *(_hard(figures, peer, name) for peer in figures.peers)] for name, says in HARD.items()],
        ),
        "### Where a peer is better",
        "\n".join(f"- {line}" for line in better(figures)),
    ]
    return "\n\n".join(parts) + "\n"


def speed_section(report: Mapping[str, Any]) -> str:
    """Return how much longer the others take than syncd, for the README."""
    figures = Figures(report)
    return (
        f"Times of the same work on the same {report['machine']['processor']}, syncd = 1:\n\n"
        + _table(
            ["", f"first sync of {report['rows']:,} rows", "a run that finds nothing", "1 % of the texts changed"],
            [
                [
                    f"**{NAMES[peer]}**" if peer == SYNCD else NAMES[peer],
                    *(_slower(figures, peer, workload) for workload in ("first", "unchanged", "texts")),
                ]
                for peer in figures.peers
            ],
        )
        + "\n"
    )


def _slower(figures: Figures, peer: str, workload: str) -> str:
    field, _ = SPEED[workload]
    own = f" ({_number(figures.middle(peer, workload, field), '.1f')} s)" if peer == SYNCD else ""
    return _number(figures.ratio(peer, SYNCD, workload, field), ".1f") + own


def _timed(figures: Figures) -> bool:
    return any(figures.rows_per_second(peer) for peer in figures.peers)


def better(figures: Figures) -> list[str]:
    """Say of each peer in what it beats syncd, as far as it was measured."""
    found = [line for peer in figures.peers if peer != SYNCD for line in _beats(figures, peer)]
    return found or ["Nowhere in what was measured here."]


def _beats(figures: Figures, peer: str) -> Iterator[str]:
    name = NAMES[peer]
    if SYNCD not in figures.peers:
        return
    for workload, (field, says) in SPEED.items():
        ratio = figures.ratio(SYNCD, peer, workload, field)
        if ratio is not None and ratio >= BETTER_BY:
            yield f"{name}: {says} takes syncd {ratio:.2f} times as long."
    for workload, (_, says) in SPEED.items():
        mine, theirs = (figures.middle(one, workload, "embedded") for one in (SYNCD, peer))
        if mine is not None and theirs is not None and mine > theirs:
            yield f"{name}: {says} embeds {theirs:,.0f} texts, with syncd {mine:,.0f}."
    memory = figures.ratio(SYNCD, peer, "first", "megabytes")
    if memory is not None and memory >= BETTER_BY:
        yield f"{name}: the first sync takes syncd {memory:.2f} times the memory."
    for workload, says in HARD.items():
        ours, other = (figures.wrong(one, workload) for one in (SYNCD, peer))
        if ours and other is not None and sum(ours.values()) > sum(other.values()):
            yield f"{name}: after “{says}” {_wrong(other)}, with syncd {_wrong(ours)} until the table is compared."


def _circumstances(report: Mapping[str, Any]) -> str:
    versions = "; ".join(
        f"{NAMES[peer]}: {', '.join(f'{library} {version}' for library, version in libraries.items())}"
        for peer, libraries in report["versions"].items()
    )
    not_run = "".join(
        f" {NAMES[peer]} was not run, because it could not be installed here." for peer in report["not_run"]
    )
    return (
        f"{described(report['machine'])}; rounds: {report['rounds']}, seed {report['seed']}, "
        f"{report['seconds'] / 60:.0f} minutes in all.{not_run} Versions: {versions}."
    )


def _first(figures: Figures, peer: str) -> list[str]:
    wrong = figures.wrong(peer, "first")
    return [
        NAMES[peer],
        _number(figures.rows_per_second(peer)) + _range(figures.range_per_second(peer)),
        _number(figures.ratio(peer, SYNCD, "first", "seconds"), ".2f"),
        _number(figures.ratio(peer, LOOP, "first", "seconds"), ".2f"),
        _number(figures.middle(peer, "first", "embedded")),
        _number(figures.middle(peer, "first", "megabytes")),
        _number(None if wrong is None else sum(wrong.values())),
    ]


def _run(figures: Figures, peer: str, workload: str) -> str:
    if figures.failed(peer, workload):
        return f"failed; {_wrong(figures.wrong(peer, workload))}"
    process, alone = (figures.middle(peer, workload, field) for field in ("process_seconds", "seconds"))
    embedded, wrong = figures.middle(peer, workload, "embedded"), figures.wrong(peer, workload)
    return (
        f"{_number(process, '.1f')} s ({_number(alone, '.2f')} s), {_number(embedded)} embedded"
        f"{'; ' + _wrong(wrong) if wrong else ''}"
    )


def _hard(figures: Figures, peer: str, workload: str) -> str:
    wrong = figures.wrong(peer, workload)
    if wrong is None:
        return "–"
    told = [_wrong(wrong), f"{_number(figures.middle(peer, workload, 'embedded'))} embedded"]
    if figures.failed(peer, workload):
        told.insert(0, "the run fails")
    repaired = figures.wrong(peer, f"{workload}, repaired")
    if repaired is not None:
        told.append(f"after `syncd verify --repair`: {_wrong(repaired)}")
    return "; ".join(told)


def _wrong(wrong: Mapping[str, int] | None) -> str:
    if wrong is None:
        return "–"
    return ", ".join(f"**{count:,} {kind}**" for kind, count in wrong.items()) or "right"


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f" ({_number(ends[0])} to {_number(ends[1])})"


def _number(value: float | None, form: str = ",.0f") -> str:
    return "–" if value is None else format(value, form)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
