"""Verification finds exactly what is wrong, by id, and repair mends it with what is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncd.inspection import Inspection
from syncd.model.inspection import Difference, Kind, Verification
from syncd.model.run import Run, RunOptions
from syncd.state import is_alive
from tests.engine import Engine
from tests.integration.sync.hnsw import hide
from tests.world import World, now

REPAIR = RunOptions(repair=True)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """An installation with 400 rows in step, every fifth of them with several chunks."""
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 300)
    made.fill(301, 400, length=40)
    assert made.sync().counts.embedded == 400
    return made


def verified(world: World) -> tuple[dict[Kind, set[str]], Verification, list[Difference]]:
    """Verify, and return the documents that differ by kind, what was compared, and each difference."""
    with Engine.of(world) as engine:
        *found, result = Inspection(engine.state, engine.parts, now).verify(engine.job)
    assert isinstance(result, Verification)
    differences = [one for one in found if isinstance(one, Difference)]
    assert len({one.document_id for one in differences}) == len(differences), "each document is told once"
    kinds: dict[Kind, set[str]] = {}
    for one in differences:
        kinds.setdefault(one.kind, set()).add(one.document_id)
    assert {kind: number for kind, number in result.differences.items() if number} == {
        kind: len(ids) for kind, ids in kinds.items()
    }
    return kinds, result, differences


def repaired(world: World) -> Run:
    """Repair, and return the run."""
    with Engine.of(world) as engine:
        engine.state.leases.recover(now(), is_alive)
        return engine.run("copy", options=REPAIR)


def documents(first: int, last: int) -> set[str]:
    """The documents of these rows."""
    return {f"db.t:{n}" for n in range(first, last + 1)}


@contextmanager
def opened(world: World) -> Iterator[Any]:
    """The collection of the knowledge base with its second copy, to be damaged behind syncd's back."""
    with Engine.of(world) as engine, engine.parts.target("kb_one") as target:
        store: Any = target.knowledge_base
        yield store._collection


def damage(world: World, *, surplus: bool = True) -> None:
    """Remove 50 documents' vectors, corrupt 5 documents' metadata, add 3 orphans and 2 left-over chunks."""
    with opened(world) as collection:
        collection.delete(ids=[f"db.t:{n}#0" for n in range(1, 51)])
        collection.update(ids=[f"db.t:{n}#0" for n in range(60, 63)], metadatas=[{"tag": "corrupt"}] * 3)
        collection.update(ids=["db.t:63#0"], metadatas=[{"f": "63"}])
        collection.update(ids=["db.t:64#0"], metadatas=[{"syncd_mark": None}])
        vectors = np.random.default_rng(7).standard_normal(
            (5, len(collection.get(limit=1, include=["embeddings"])["embeddings"][0]))
        )
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        orphan = {"syncd_mark": f"1:{'0' * 32}:{'0' * 32}:1", "tag": "tag1"}
        collection.upsert(
            ids=["db.t:9001#0", "db.t:9002#0", 'db.t:"1"#0'],
            embeddings=vectors[:3].tolist(),
            documents=["a", "b", "c"],
            metadatas=[orphan] * 3,
        )
        if surplus:
            collection.upsert(
                ids=["db.t:70#1", "db.t:71#4"],
                embeddings=vectors[3:].tolist(),
                documents=["an older tail", "another"],
                metadatas=[{"syncd_part_of": "db.t:70"}, {"syncd_part_of": "db.t:71"}],
            )


def test_a_knowledge_base_in_step_has_no_difference(world: World) -> None:
    """Everything is compared, and nothing is found."""
    kinds, result, _ = verified(world)
    assert kinds == {}
    assert result.in_step
    assert (result.rows, result.documents, result.chunks) == (400, 400, len(world.chunks()))


def test_exactly_what_is_wrong_is_reported_and_mended(world: World) -> None:
    """50 vectors lost, 5 metadata corrupted, 3 orphans, 2 tails: each by its id; repair embeds the 50 and no more."""
    damage(world)
    kinds, _, differences = verified(world)
    assert kinds == {
        Kind.MISSING: documents(1, 50),
        Kind.STALE: documents(60, 64),
        Kind.ORPHANED: {"db.t:9001", "db.t:9002", 'db.t:"1"'},
        Kind.DUPLICATED: {"db.t:70", "db.t:71"},
    }
    assert {one.detail for one in differences if one.document_id == "db.t:60"} == {"not the row's metadata: tag"}
    run = repaired(world)
    assert (run.status, run.error) == ("completed", None)
    assert (run.counts.embedded, run.counts.repaired, run.counts.deleted) == (50, 57, 3)
    world.assert_in_step()
    assert verified(world)[0] == {}
    assert repaired(world).counts.repaired == 0


def test_a_lost_part_of_a_document_is_missed(world: World) -> None:
    """A document whose mark is there and whose second chunk is not; only that chunk is embedded again."""
    with opened(world) as collection:
        collection.delete(ids=["db.t:301#1", "db.t:305#1"])
    assert world.sync(options=RunOptions(full=True)).counts.embedded == 0, "its fingerprint is there"
    assert verified(world)[0] == {Kind.MISSING: {"db.t:301", "db.t:305"}}
    run = repaired(world)
    assert (run.counts.embedded, run.counts.chunks, run.counts.repaired) == (2, 2, 2)
    world.assert_in_step()


def test_changes_of_the_table_that_no_run_saw_are_found(world: World) -> None:
    """Edits that left the filter value alone, a deleted row, and a new row that the next run reads."""
    world.execute("UPDATE t SET body = 'silent' WHERE id = 5", "UPDATE t SET tag = 'silent' WHERE id = 6")
    world.execute("DELETE FROM t WHERE id = 7", "UPDATE t SET gone = 1 WHERE id = 8")
    world.fill(1001, 1003)
    kinds, result, _ = verified(world)
    assert kinds == {Kind.STALE: {"db.t:5", "db.t:6"}, Kind.ORPHANED: {"db.t:7", "db.t:8"}}
    assert result.ahead == 3
    run = repaired(world)
    assert (run.counts.embedded, run.counts.deleted) == (1 + 0, 2)
    assert verified(world)[1].ahead == 3
    world.sync()
    world.assert_in_step()


def test_vectors_that_no_search_finds_are_reported_by_id(world: World) -> None:
    """A damaged vector, and vectors that the index does not reach."""
    with opened(world) as collection:
        held = collection.get(ids=["db.t:10#0"], include=["embeddings", "documents", "metadatas"])
        dull = [[0.5] + [0.0] * (len(held["embeddings"][0]) - 1)]
        collection.upsert(ids=held["ids"], embeddings=dull, documents=held["documents"], metadatas=held["metadatas"])
    kinds, _, [difference] = verified(world)
    assert kinds == {Kind.UNREACHABLE: {"db.t:10"}}
    assert difference.detail == "a damaged vector: chunk 0"
    run = repaired(world)
    assert (run.counts.embedded, run.counts.repaired) == (1, 1)
    world.assert_in_step()


def test_a_damaged_index_is_told_by_every_document_that_it_hides(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything counts right and reads right, and exactly the entries that no link leads to are named; none is embedded."""
    monkeypatch.setattr("syncd.knowledge.chroma.collection.ROWS_BETWEEN_WRITES", 100)
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 300)
    world.sync()
    hidden = {id_.removesuffix("#0") for id_ in hide(tmp_path / "kb", 12)}
    assert len(hidden) == 12
    kinds, _, _ = verified(world)
    assert kinds == {Kind.UNREACHABLE: hidden}
    assert world.sync(options=RunOptions(full=True)).counts.embedded == 0, "a run trusts the fingerprints"
    run = repaired(world)
    assert (run.counts.embedded, run.counts.repaired) == (0, 12)
    world.assert_in_step()


def test_rows_in_the_dead_letters_are_no_difference(world: World) -> None:
    """A row that cannot be synced is told as quarantined, in a verification and in a repair."""
    world.execute("INSERT INTO t (id, f, body, tag) VALUES (500, 500, CAST(x'fffe' AS TEXT), 'x')")
    assert world.sync().counts.dead_lettered == 1
    kinds, result, _ = verified(world)
    assert (kinds, result.quarantined) == ({}, 1)


def test_a_repair_that_is_killed_goes_on(world: World) -> None:
    """What was mended stays mended, and the rest is mended by the next one."""
    damage(world, surplus=False)
    done = world.run("verify", "copy", "--repair", env={"SYNCD_FAILPOINT": "written:1"})
    assert done.returncode == -9, done.stderr
    run = repaired(world)
    assert run.status == "completed"
    world.assert_in_step()
