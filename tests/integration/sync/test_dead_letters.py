"""Rows that cannot be synced: what each costs, how a replay reads it again, and when it is forgotten."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from syncd.embed.hashing import HashingEmbedder
from syncd.errors import RecordError
from syncd.model.run import Run, RunOptions
from syncd.ports import Vectors
from tests.engine import Engine
from tests.world import World

REPLAY = RunOptions(replay=True)
SWEEP = RunOptions(sweep=True)


@dataclass
class Picky:
    """Makes the embedder refuse texts with these words; counts the texts that it was given."""

    refused: Sequence[str] = ("poison",)
    answer: Callable[[Vectors], Vectors] = lambda vectors: vectors
    texts: int = 0
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> Picky:
    """What the hashing embedder refuses."""
    picky = Picky()
    embed = HashingEmbedder.embed

    def refusing(self: HashingEmbedder, texts: Sequence[str]) -> Vectors:
        picky.texts += len(texts)
        picky.seen += texts
        for word in picky.refused:
            if any(word in text for text in texts):
                raise RecordError(f"the model refuses {word}")
        return picky.answer(embed(self, texts))

    monkeypatch.setattr(HashingEmbedder, "embed", refusing)
    return picky


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, picky: Picky) -> World:
    """An installation whose job notices no deleted row by itself, with nothing in its table."""
    made = World.make(tmp_path, sqlite_url)
    made.rewrite(("mode: soft, column: gone", "mode: none"))
    return made


def letters(world: World) -> dict[str, int]:
    """The keys of the dead letters, and how often each was tried."""
    with Engine.of(world) as engine:
        return {letter.key: letter.attempts for letter in engine.state.dead_letters.list(engine.job.id, limit=1000)}


def counts(run: Run) -> tuple[str, int, int, int]:
    """How a run ended, and how many rows it read, embedded and gave up."""
    return str(run.status), run.counts.records_read, run.counts.embedded, run.counts.dead_lettered


def test_a_poison_row_among_a_thousand_costs_one_dead_letter(tmp_path: Path, sqlite_url: str, picky: Picky) -> None:
    """All others land, the watermark moves on, the letter does not multiply, and a run takes it out when it is mended."""
    world = World.make(tmp_path, sqlite_url, window_rows=300)
    world.rewrite(("    interval", "    lookback: 10\n    interval"))
    world.fill(1, 1000)
    world.execute("UPDATE t SET body = 'poison' WHERE id = 500")
    assert counts(world.sync()) == ("completed_with_warnings", 1000, 999, 1)
    assert (len(world.held()), letters(world)) == (999, {"500": 1})
    assert picky.texts < 2 * 1000
    world.fill(1001, 1002)
    assert counts(world.sync()) == ("completed", 12 + 1, 2, 0), "the row lies behind the lookback"
    world.execute("UPDATE t SET f = 1003 WHERE id = 500")
    for attempt in (2, 3):
        world.fill(2000 + attempt, 2000 + attempt)
        run = world.sync(options=RunOptions(full=True))
        assert (run.status, run.counts.dead_lettered) == ("completed_with_warnings", 1)
        assert letters(world) == {"500": attempt}
    world.execute("UPDATE t SET body = 'mended', f = 3000 WHERE id = 500")
    assert world.sync().status == "completed"
    assert letters(world) == {}
    world.assert_in_step()


def test_a_replay_reads_the_rows_of_the_dead_letters_alone(world: World, picky: Picky) -> None:
    """Those that are mended land although their filter value has not moved; the watermark and the others stay."""
    world.fill(1, 2000)
    world.execute("UPDATE t SET body = 'poison ' || id WHERE id IN (3, 4, 5)")
    world.sync()
    world.execute("UPDATE t SET body = 'mended ' || id WHERE id IN (3, 4)", "UPDATE t SET body = 'silent' WHERE id = 9")
    world.fill(5000, 5000)
    with Engine.of(world) as engine:
        before = engine.state.checkpoints.get(engine.job.id)
        assert before is not None
        run = engine.run(options=RunOptions(replay=True, keys=("3",)))
        assert counts(run) == ("completed", 1, 1, 0)
        run = engine.run(options=REPLAY)
        assert counts(run) == ("completed_with_warnings", 2, 1, 1)
        after = engine.state.checkpoints.get(engine.job.id)
        assert after is not None
        assert (after.watermark, after.glance) == (before.watermark, before.glance)
        assert after.identity.epoch > before.identity.epoch, "an older copy is noticed after a replay too"
    assert letters(world) == {"5": 2}
    held = world.held()
    assert {"db.t:3", "db.t:4"} <= set(held)
    assert {"db.t:5", "db.t:5000"}.isdisjoint(held)
    picky.refused = ()
    assert world.sync(options=REPLAY).status == "completed"
    assert world.sync(options=SWEEP).status == "completed"
    world.assert_in_step()


def test_what_a_replay_wrote_is_missed_in_an_older_copy(world: World, picky: Picky) -> None:
    """A copy of the knowledge base from before the replay lacks its row, so the table is compared again."""
    world.rewrite(("    interval", "    lookback: 0\n    interval"))
    world.fill(1, 50)
    world.execute("UPDATE t SET body = 'poison' WHERE id = 7")
    world.sync()
    shutil.copytree(world.folder / "kb", world.folder / "copy")
    picky.refused = ()
    assert counts(world.sync(options=REPLAY)) == ("completed", 1, 1, 0)
    shutil.rmtree(world.folder / "kb")
    (world.folder / "copy").rename(world.folder / "kb")
    assert world.sync().counts.embedded == 1
    world.assert_in_step()


@pytest.mark.parametrize(("mode", "left"), [("sweep", set()), ("none", {"db.t:1"}), ("soft, column: gone", {"db.t:1"})])
def test_a_dead_letter_whose_row_is_gone_is_resolved(world: World, mode: str, left: set[str]) -> None:
    """Its document goes where the job sweeps its table, and stays elsewhere."""
    world.rewrite(("mode: none", f"mode: {mode}"))
    world.fill(1, 2)
    world.sync()
    world.execute("UPDATE t SET body = 'poison', f = 10 + id")
    assert world.sync().counts.dead_lettered == 2
    world.execute("DELETE FROM t WHERE id = 1")
    run = world.sync(options=RunOptions(replay=True, keys=("1",)))
    assert counts(run) == ("completed", len({"db.t:1"} - left), 0, 0)
    assert letters(world) == {"2": 1}
    assert set(world.held()) == left | {"db.t:2"}, "the old text of a row that fails stays"


def test_a_replay_removes_no_more_than_a_sweep_may(world: World, picky: Picky) -> None:
    """Where the table is empty all of a sudden, the sweep is left to ask."""
    world.rewrite(("mode: none", "mode: sweep"))
    world.fill(1, 150)
    world.sync()
    world.execute("UPDATE t SET body = 'poison', f = 1000 + id")
    assert world.sync().counts.dead_lettered == 150
    world.execute("DELETE FROM t")
    assert world.sync(options=REPLAY).counts.deleted == 0
    assert (letters(world), len(world.held())) == ({}, 150)


def test_a_sweep_resolves_what_has_no_row_any_more(world: World, postgres_url: str) -> None:
    """Letters of rows that never had a document, and of rows without a key; those whose rows are there stay."""
    world = World(world.folder, postgres_url)
    world.rewrite(
        (f"sqlite:///{world.folder}/source.db", postgres_url),
        ("    interval", "    key_columns: [k]\n    interval"),
        ("[body]\n    metadata_columns: [tag]", "[body]"),
    )
    world.execute("CREATE TABLE t (k TEXT, f INTEGER NOT NULL, body TEXT)")
    world.execute(
        "INSERT INTO t VALUES ('a/b', 1, 'poison 1'), ('c', 2, 'poison 2'), ('d', 3, 'fine')",
        "INSERT INTO t VALUES (NULL, 4, 'no key'), (NULL, 5, 'no key either')",
    )
    world.sync()
    unidentified = {"(None,) at 4", "(None,) at 5"}
    assert set(letters(world)) == {'"a/b"', '"c"', *unidentified}
    run = world.sync(options=REPLAY)
    assert (run.status, run.counts.records_read) == ("completed_with_warnings", 2)
    assert set(letters(world)) == {'"a/b"', '"c"', *unidentified}, "no row can be asked for without its key"
    world.execute("DELETE FROM t WHERE k = 'a/b'", "UPDATE t SET k = 'e' WHERE f = 4")
    assert world.sync(options=SWEEP).status == "completed_with_warnings"
    assert set(letters(world)) == {'"c"', "(None,) at 5"}
    assert set(world.held()) == {'db.t:"d"', 'db.t:"e"'}


def test_a_withheld_sweep_forgets_no_dead_letter(world: World, picky: Picky) -> None:
    """A table that is empty all of a sudden may come back."""
    world.fill(1, 150)
    world.sync()
    world.execute("UPDATE t SET body = 'poison', f = 1000 WHERE id = 5")
    world.sync()
    world.execute("DELETE FROM t")
    assert world.sync(options=SWEEP).status == "failed"
    assert set(letters(world)) == {"5"}


@pytest.fixture
def strict(world: World) -> World:
    """A job that bears 20 dead letters a run, with 1,000 rows in windows of 250."""
    world.rewrite(("window_rows: 100", "window_rows: 250\n    max_dead_letters: 20\n    lookback: 0"))
    world.fill(1, 1000)
    return world


def nothing(vectors: Vectors) -> Vectors:
    """What a model that is broken answers."""
    return np.full_like(vectors, np.nan)


def test_a_run_in_which_all_rows_fail_fails_itself(strict: World, picky: Picky) -> None:
    """Nothing is buried, the watermark stays where it was, and it is noticed for little."""
    picky.answer = nothing
    run = strict.sync()
    assert run.status == "failed"
    assert "rows that this run has read cannot be synced, such as" in str(run.error)
    assert "max_dead_letters" in str(run.error)
    assert letters(strict) == {}
    assert picky.texts < 2 * 250 + 2 * 26, "one batch that fails as a whole, and its rows until they are too many"
    with Engine.of(strict) as engine:
        assert engine.state.checkpoints.get(engine.job.id) is None
        assert "cannot be synced" in str(engine.job.blocked)
    picky.answer = lambda vectors: vectors
    assert strict.sync().status == "completed"
    strict.assert_in_step()


def test_the_windows_before_a_flood_are_kept(strict: World, picky: Picky) -> None:
    """Their letters too; the next run goes on from there."""
    strict.execute("UPDATE t SET body = 'poison ' || body WHERE id > 500 OR id IN (7, 8)")
    run = strict.sync()
    assert (run.status, letters(strict)) == ("failed", {"7": 1, "8": 1})
    assert len(strict.held()) == 498
    with Engine.of(strict) as engine:
        checkpoint = engine.state.checkpoints.get(engine.job.id)
        assert checkpoint is not None
        assert checkpoint.watermark.value == 500
    picky.refused = ()
    assert counts(strict.sync()) == ("completed", 501, 500, 0)
    assert strict.sync(options=REPLAY).status == "completed"
    strict.assert_in_step()


def test_many_rows_that_fail_among_many_more_are_no_flood(strict: World) -> None:
    """Each of them is at fault by itself."""
    strict.execute("UPDATE t SET body = 'poison' WHERE id % 15 = 0")
    assert counts(strict.sync()) == ("completed_with_warnings", 1000, 934, 66)
    strict.execute("UPDATE t SET f = 2000 WHERE id % 15 = 0")
    assert counts(strict.sync()) == ("completed_with_warnings", 66 + 1, 0, 66), "they are dead letters already"
    assert len(letters(strict)) == 66


def test_rows_that_the_source_rejects_count_too(strict: World) -> None:
    strict.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id <= 30")
    run = strict.sync()
    assert (run.status, letters(strict)) == ("failed", {})
    strict.rewrite(("max_dead_letters: 20", "max_dead_letters: 30"))
    assert counts(strict.sync()) == ("completed_with_warnings", 1000, 970, 30)


def test_a_sweep_in_which_all_rows_fail_fails_itself(strict: World, picky: Picky) -> None:
    """It removes nothing either."""
    assert strict.sync().status == "completed"
    strict.execute("UPDATE t SET body = 'poison'", "DELETE FROM t WHERE id = 1")
    picky.texts = 0
    run = strict.sync(options=SWEEP)
    assert (run.status, run.counts.deleted) == ("failed", 0)
    assert (letters(strict), len(strict.held())) == ({"1000": 1}, 1000), "the pass has read the newest row"
    assert picky.texts < 2 * 250 + 2 * 26


def test_a_replay_in_which_all_rows_fail_fills_nothing_and_costs_little(world: World, picky: Picky) -> None:
    """The letters are known: it goes through all of them, so that one that is mended is found among the others."""
    world.rewrite(("window_rows: 100", "window_rows: 600\n    max_dead_letters: 600"))
    world.fill(1, 600)
    world.execute("UPDATE t SET body = 'poison ' || id")
    assert world.sync().counts.dead_lettered == 600
    world.rewrite(("max_dead_letters: 600", "max_dead_letters: 20"))
    world.execute("UPDATE t SET body = 'mended' WHERE id = 599")
    picky.texts = 0
    assert counts(world.sync(options=REPLAY)) == ("completed_with_warnings", 600, 1, 599)
    assert len(letters(world)) == 599
    assert picky.texts < 4 * 600
