"""Measures syncd and its peers, and writes what came out of it.

python -m benchmarks.peers --rows 5000 --rounds 3 --peers syncd,handwritten
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.peers.environments import PEERS, SYNCD, NotInstallable, python_of, versions
from benchmarks.peers.machine import machine
from benchmarks.peers.model import Model
from benchmarks.peers.page import peers_section
from benchmarks.peers.peer import Peer
from benchmarks.peers.table import Table
from benchmarks.peers.workloads import CHANGES, HARD, Scene, again, first, killed
from tests.services import postgres_server

LONG_EVERY = 20
PUBLISHED = Path("docs/benchmarks/peers.json")


class Measurement:
    """All rounds of all peers.

    Args:
        peers: those that can run here.
        table: what they sync.
        model: judges vectors, and says where the model lies.
        sizes: how many rows the tables have where time is measured, and where mistakes are looked for.
    """

    def __init__(self, peers: list[Peer], table: Table, model: Model, sizes: tuple[int, int]) -> None:
        self._scenes = [Scene(peer, table, model.embed) for peer in peers]
        self._table = table
        self._larger, self._smaller = sizes
        self.outcomes: dict[str, dict[str, list[dict[str, Any]]]] = {peer.name: {} for peer in peers}

    def measured(self, rounds: int) -> Iterator[None]:
        """Measure everything; yield whenever something is worth keeping."""
        for number in range(rounds):
            self._fast(number)
            yield
        yield from self._hard(rounds)

    def _fast(self, number: int) -> None:
        """Measure every peer's speed once; they begin in another order each time.

        All of them do one thing before any does the next, so that what is compared lies as near in time as can be: a
        machine that shares its processors is another one some minutes later.
        """
        self._table.create(self._larger)
        turn = number % len(self._scenes)
        scenes = self._scenes[turn:] + self._scenes[:turn]
        for scene in scenes:
            self._note(scene, "first", first(scene))
        for name, change in CHANGES.items():
            change(self._table)
            for scene in scenes:
                self._note(scene, name, again(scene))

    def _hard(self, kills: int) -> Iterator[None]:
        """See once what each peer makes of every misfortune, and of so many kills; one peer after the other."""
        self._table.create(self._smaller, LONG_EVERY)
        self._table.keep()
        for scene in self._scenes:
            self._table.restore()
            self._note(scene, "small first", first(scene))
            scene.peer.keep()
            for name, workload in HARD.items():
                self._fresh(scene)
                self._note(scene, name, workload(scene))
                if scene.peer.name == SYNCD and sum(self.outcomes[SYNCD][name][-1]["wrong"].values()):
                    self._note(scene, f"{name}, repaired", scene.outcome(scene.peer.repair()))
            for kill in range(kills):
                self._fresh(scene)
                self._note(scene, "killed", killed(scene, (kill + 0.5) / kills))
            yield

    def _fresh(self, scene: Scene) -> None:
        self._table.restore()
        scene.peer.restore()

    def _note(self, scene: Scene, workload: str, outcome: dict[str, Any]) -> None:
        self.outcomes[scene.peer.name].setdefault(workload, []).append(outcome)
        wrong = ", ".join(f"{count} {kind}" for kind, count in outcome["wrong"].items() if count) or "right"
        failed = f", failed: {outcome['error']}" if outcome["error"] else ""
        print(
            f"{scene.peer.name:<12} {workload:<20} {outcome['process_seconds']:>7.1f} s, "
            f"{outcome['embedded']:>6,} embedded, {outcome['megabytes']:>6,.0f} MB, {wrong}{failed}",
            file=sys.stderr,
        )


def main() -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000, help="of the table where time is measured")
    parser.add_argument("--small-rows", type=int, default=1000, help="of the table where mistakes are looked for")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".bench"))
    parser.add_argument("--out", type=Path, help="by default docs/benchmarks/peers.json, for some peers in the cache")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", file=sys.stderr)
    began = time.monotonic()
    cache = asked.cache.resolve()
    names = asked.peers.split(",")
    if unknown := set(names) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}: choose from {', '.join(PEERS)}")
    pythons, not_run = _environments(names, cache)
    with postgres_server() as server:
        table = Table(server, Random(asked.seed))
        model = Model()
        peers = [
            Peer(name, python, cache / "stores" / name, table.url, model.folder) for name, python in pythons.items()
        ]
        measurement = Measurement(peers, table, model, (asked.rows, min(asked.rows, asked.small_rows)))
        report: dict[str, Any] = {
            "seed": asked.seed,
            "rows": asked.rows,
            "small_rows": min(asked.rows, asked.small_rows),
            "rounds": asked.rounds,
            "versions": {peer.name: versions(peer.name, pythons[peer.name], peer.environment) for peer in peers},
            "not_run": not_run,
            "outcomes": measurement.outcomes,
        }
        out = asked.out or (PUBLISHED if names == list(PEERS) else cache / "peers.json")
        out.parent.mkdir(parents=True, exist_ok=True)
        for _ in measurement.measured(asked.rounds):
            report |= {"machine": machine(), "seconds": round(time.monotonic() - began)}
            out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(peers_section(report))
    print(f"written to {out}", file=sys.stderr)


def _environments(names: list[str], cache: Path) -> tuple[dict[str, Path], dict[str, str]]:
    found, failed = {}, {}
    for name in names:
        try:
            found[name] = python_of(name, cache)
        except NotInstallable as error:
            failed[name] = str(error)
    return found, failed


if __name__ == "__main__":
    main()
