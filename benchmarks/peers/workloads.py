"""What happens to a table between two runs, and what a peer then does about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.peers.oracle import Vectors, judge
from benchmarks.peers.peer import Peer, Run, Unreadable
from benchmarks.peers.table import SHORT_AGAIN, Table

A_FEW = 10
LOST = 50
REFUSED = "UNSPEAKABLE"

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Scene:
    """A peer beside its table, and who judges it."""

    peer: Peer
    table: Table
    embed: Embed

    def outcome(self, run: Run, *more: Run, excused: frozenset[int] = frozenset()) -> dict[str, Any]:
        """Say what the last run took, what all of them embedded, and which rows are wrong now."""
        told = asdict(more[-1] if more else run) | {"embedded": sum(one.embedded for one in (run, *more))}
        try:
            held = self.peer.held()
        except Unreadable as error:
            held, told["error"] = [], f"the store cannot be read: {error}"
        verdict = judge(self.table.rows(), held, self.embed, excused)
        return told | {"wrong": {kind: len(keys) for kind, keys in asdict(verdict).items()}}


def first(scene: Scene) -> dict[str, Any]:
    """Fill an empty store, with the model loaded before the clock starts."""
    scene.peer.forget()
    return scene.outcome(scene.peer.sync(warm=True))


def again(scene: Scene) -> dict[str, Any]:
    """Run once more, as a timer would have it done."""
    return scene.outcome(scene.peer.sync())


def nothing(table: Table) -> None:
    """Leave the table as it is."""


def texts(table: Table) -> None:
    """Change the texts of 1 % of the rows."""
    table.edit_texts(table.some(_percent(table, 1)))


def metadata(table: Table) -> None:
    """Change the metadata of 1 % of the rows, and no text."""
    table.edit_metadata(table.some(_percent(table, 1)))


def shrinking(scene: Scene) -> dict[str, Any]:
    """Cut the long texts to a third, so that they have fewer chunks."""
    scene.table.edit_texts(scene.table.long, SHORT_AGAIN)
    return scene.outcome(scene.peer.sync())


def deletes(scene: Scene) -> dict[str, Any]:
    """Delete ten rows, without a mark."""
    scene.table.delete(scene.table.some(A_FEW))
    return scene.outcome(scene.peer.sync())


def late_commit(scene: Scene) -> dict[str, Any]:
    """Insert ten rows in a transaction that commits only after later changes were synced."""
    with scene.table.held_insert(A_FEW):
        scene.table.edit_texts(scene.table.some(A_FEW))
        before = scene.peer.sync()
    return scene.outcome(before, scene.peer.sync())


def no_stamp(scene: Scene) -> dict[str, Any]:
    """Insert ten rows whose filter column is NULL."""
    scene.table.insert_without_stamp(A_FEW)
    return scene.outcome(scene.peer.sync())


def poison(scene: Scene) -> dict[str, Any]:
    """Change the texts of ten rows, of which the model refuses one; that one counts as no fault."""
    changed = scene.table.some(A_FEW)
    scene.table.edit_texts(changed, mark=REFUSED)
    return scene.outcome(scene.peer.sync(refused=REFUSED), excused=frozenset(changed[:1]))


def killed(scene: Scene, share: float) -> dict[str, Any]:
    """Change 30 % of the texts, kill the run when a share of them was embedded, and run again.

    Args:
        share: of what the run has to embed.
    """
    changed = scene.table.some(_percent(scene.table, 30))
    scene.table.edit_texts(changed)
    cut = scene.peer.sync(kill_after=max(1, round(len(changed) * share)))
    return scene.outcome(cut, scene.peer.sync())


def lost(scene: Scene) -> dict[str, Any]:
    """Delete vectors from the store, behind the peer's back."""
    scene.peer.lose(scene.table.keys[:LOST])
    return scene.outcome(scene.peer.sync())


def _percent(table: Table, share: int) -> int:
    return max(1, len(table.keys) * share // 100)


CHANGES: Mapping[str, Callable[[Table], None]] = {"unchanged": nothing, "texts": texts, "metadata": metadata}
"""What happens to the larger table, one after the other, each before all peers run once more."""

HARD: Mapping[str, Callable[[Scene], dict[str, Any]]] = {
    "shrinking": shrinking,
    "deletes": deletes,
    "late commit": late_commit,
    "no stamp": no_stamp,
    "poison": poison,
    "lost": lost,
}
"""Each on the smaller table and a store that was right, once."""
