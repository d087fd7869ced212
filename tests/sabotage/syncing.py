"""Checks of what becomes of rows: each on a small table, with a run that is cut off where it hurts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from syncd.embed.hashing import HashingEmbedder
from syncd.errors import InUse, LeaseLost, SyncdError, TransientError
from syncd.inspection import Inspection
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.entries import Entries
from syncd.model.inspection import Verification
from syncd.model.record import Identity
from syncd.model.run import Checkpoint, RunOptions, RunStatus
from syncd.model.watermark import Watermark
from syncd.source.open_table import OpenTable
from syncd.state import owner_id
from tests.engine import TTL, Engine
from tests.sabotage.reading import Place
from tests.world import World, now, words

SWEEP = RunOptions(sweep=True)
LONG = 60


class Cut(Exception):
    """Ends a run in the middle, as its process's end would."""


def _world(place: Place, rows: int = 20, *, length: int = 4, window_rows: int = 10, deletes: str = "") -> World:
    """Rows that no run has read, and no lookback, so that what a run passes over stays lost."""
    world = World.make(place.folder, place.sqlite, window_rows)
    world.rewrite(("    window_rows", "    lookback: 0\n    window_rows"))
    if deletes:
        world.rewrite(("mode: soft, column: gone", deletes))
    world.fill(1, rows, length=length)
    return world


def _cut_at(engine: Engine, step: str) -> None:
    """Run until a step, for the first time."""

    def cut() -> None:
        engine.at_step.pop(step)
        raise Cut

    engine.at_step[step] = cut
    assert engine.run().status == "failed"


@contextmanager
def _changed(owner: Any, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Change a function for a while, whatever it has become by now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, change(getattr(owner, name)))
        yield


def _cut_calls(cut: int) -> Callable[[Any], Any]:
    """Return what makes the n-th call of a function, counted from 1, the one that is cut off."""
    calls = iter(range(1, 1_000_000))

    def change(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if next(calls) == cut:
                raise Cut
            return function(*arguments)

        return call

    return change


def a_cut_before_anything_is_written_loses_nothing(place: Place) -> None:
    """Rows that were embedded and not written are read again."""
    world = _world(place)
    with Engine.of(world) as engine:
        _cut_at(engine, "embedded")
        assert engine.run().status == "completed"
    world.assert_in_step()


def a_cut_between_windows_loses_nothing(place: Place) -> None:
    """What was committed with the first window covers the first window alone."""
    world = _world(place)
    with Engine.of(world) as engine:
        _cut_at(engine, "committed")
        assert engine.run().status == "completed"
    world.assert_in_step()


def a_write_cut_off_anywhere_is_noticed(place: Place) -> None:
    """A text that shrinks, cut off at each call that writes or removes, is whole after the next run."""
    world = _world(place, 6, length=LONG)
    with Engine.of(world) as engine:
        engine.run()
        for number, (name, call) in enumerate((("write", 1), ("write", 2), ("remove", 1), ("write", 3)), 1):
            length = LONG if number % 2 == 0 else 30
            body = " ".join(f"w{number}x{n}" for n in range(length))
            world.execute(f"UPDATE t SET body = id || ' {body}', f = f + 1000")
            with _changed(Entries, name, _cut_calls(call)):
                engine.run()
            assert engine.run().status == "completed"
            engine.parts.close()
            world.assert_in_step()


def a_row_that_becomes_what_it_was_after_a_cut_is_whole(place: Place) -> None:
    """A write that was cut off after some chunks of a new version leaves nothing that counts as the old one."""
    world = _world(place, 3, length=LONG)
    with Engine.of(world) as engine:
        engine.run()
        world.execute(f"UPDATE t SET body = '{words(99, LONG)}', f = f + 1000 WHERE id = 1")
        with _changed(Entries, "remove", _cut_calls(1)):
            engine.run()
        world.execute(f"UPDATE t SET body = '{words(1, LONG)}', f = f + 1000 WHERE id = 1")
        assert engine.run().status == "completed"
        *_, found = Inspection(engine.state, engine.parts, now).verify(engine.job)
        assert isinstance(found, Verification)
        assert found.in_step, found.differences


def a_store_that_drops_writes_is_noticed(place: Place) -> None:
    """A document that the store did not keep is written again."""
    world = _world(place)
    dropped: list[str] = []

    def dropping(upsert: Any) -> Any:
        def call(self: Any, documents: Any) -> None:
            upsert(self, documents[:-1] if not dropped else documents)
            dropped.append(documents[-1].id)

        return call

    with _changed(ChromaKnowledgeBase, "upsert", dropping), Engine.of(world) as engine:
        assert engine.run().status == "completed"
    world.assert_in_step()


def a_write_whose_answer_was_lost_is_repeated_in_place(place: Place) -> None:
    """A store that wrote and then did not answer holds each document once after the next attempt."""
    world = _world(place)
    lost: list[bool] = []

    def losing(upsert: Any) -> Any:
        def call(self: Any, documents: Any) -> None:
            upsert(self, documents)
            if not lost:
                lost.append(True)
                raise TransientError("the answer was lost")

        return call

    with _changed(ChromaKnowledgeBase, "upsert", losing), Engine.of(world) as engine:
        assert engine.run().status == "completed"
        # What is written again because its text changed is in the same place too.
        world.execute("UPDATE t SET body = 'changed', f = 900 WHERE id = 3")
        engine.run()
    world.assert_in_step()


def a_text_that_shrinks_leaves_no_tail(place: Place) -> None:
    """Five chunks become one."""
    world = _world(place, 3, length=LONG)
    world.sync()
    world.execute("UPDATE t SET body = 'short ' || id, f = f + 1000")
    world.sync()
    world.assert_in_step()


def metadata_that_becomes_null_is_gone(place: Place) -> None:
    """The old value does not survive."""
    world = _world(place, 5)
    world.sync()
    world.execute("UPDATE t SET tag = NULL, f = f + 1000")
    world.sync()
    world.assert_in_step()


def what_does_not_change_costs_no_embedding(place: Place) -> None:
    """Not when everything is read again, and not when only metadata changed."""
    world = _world(place)
    with Engine.of(world) as engine:
        engine.run()
        again = engine.run(options=RunOptions(full=True)).counts
        assert (again.embedded, again.unchanged) == (0, 20)
        world.execute("UPDATE t SET tag = 'new', f = f + 1000 WHERE id < 5")
        changed = engine.run().counts
        assert (changed.embedded, changed.metadata_updated) == (0, 4)


def marked_filtered_and_empty_rows_leave_nothing(place: Place) -> None:
    """A row that is marked as deleted, and one whose text became empty, have no document any more."""
    world = _world(place)
    world.sync()
    world.execute("UPDATE t SET gone = 1, f = 900 WHERE id = 3", "UPDATE t SET body = ' ', f = 901 WHERE id = 4")
    world.sync()
    world.assert_in_step()


def a_row_that_cannot_be_synced_is_a_dead_letter(place: Place) -> None:
    """The run says so, the row is kept with its reason, and its neighbours land."""
    world = _world(place)
    world.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id = 7")
    with Engine.of(world) as engine:
        run = engine.run()
        assert run.status == "completed_with_warnings"
        assert (run.counts.embedded, run.counts.dead_lettered) == (19, 1)
        assert engine.state.dead_letters.keys(engine.job.id) == {"7"}


def a_vector_that_is_not_finite_is_a_dead_letter(place: Place) -> None:
    """No search could find it; its neighbours in the batch land."""
    world = _world(place)
    world.execute("UPDATE t SET body = 'poison' WHERE id = 7")

    def poisoned(embed: Any) -> Any:
        def call(self: Any, texts: Any) -> Any:
            vectors = embed(self, texts)
            vectors[["poison" in text for text in texts]] = np.nan
            return vectors

        return call

    with _changed(HashingEmbedder, "embed", poisoned), Engine.of(world) as engine:
        counts = engine.run().counts
        assert (counts.embedded, counts.dead_lettered) == (19, 1)
        [letter] = engine.state.dead_letters.list(engine.job.id)
        assert (letter.key, letter.reason) == ("7", "the embedder answered a vector that is not finite")


def a_source_that_breaks_off_is_no_end_of_data(place: Place) -> None:
    """The run fails, and a later one reads the rest."""
    world = _world(place, window_rows=2)

    def breaking(fetch: Any) -> Any:
        def call(self: Any, connection: Any, current: Any, position: Any, size: int) -> Any:
            if position is not None:
                raise TransientError("the connection was reset")
            return fetch(self, connection, current, position, size)

        return call

    with Engine.of(world) as engine:
        with _changed(OpenTable, "fetch", breaking):
            assert engine.run().status == "failed"
        engine.run()
    world.assert_in_step()


def rows_that_change_places_are_read_after_a_while(place: Place) -> None:
    """An unchanged glance is trusted for a lookback's time, not for ever."""
    world = _world(place)
    with Engine.of(world) as engine:
        engine.run()
        # The first pass had no lower bound, so that only the second one's glance is like the third one's.
        engine.run()
        world.execute("UPDATE t SET body = 'changed in place' WHERE id = 20")
        assert engine.run().counts.records_read == 0
        checkpoint = engine.state.checkpoints.get(engine.job.id)
        assert checkpoint is not None
        assert checkpoint.read_at is not None
        with sa.create_engine(world.state_url, poolclass=sa.NullPool).begin() as connection:
            earlier = (checkpoint.read_at - timedelta(minutes=6)).strftime("%Y-%m-%d %H:%M:%S.%f")
            connection.execute(sa.text("UPDATE checkpoints SET read_at = :at"), {"at": earlier})
        assert engine.run().counts.embedded == 1
    world.assert_in_step()


def a_wiped_knowledge_base_is_filled_again(place: Place) -> None:
    """The watermark of one that is no more does not count."""
    world = _world(place)
    world.sync()
    (world.folder / "kb").rename(world.folder / "kb.gone")
    world.sync()
    world.assert_in_step()


def an_older_copy_of_a_knowledge_base_is_mended(place: Place) -> None:
    """The watermark has gone on since the copy was made, and does not count either."""
    world = _world(place)
    world.sync()
    shutil.copytree(world.folder / "kb", world.folder / "kb.copy")
    world.execute("UPDATE t SET body = 'changed once', f = 900 WHERE id = 1", "UPDATE t SET f = 950 WHERE id = 2")
    world.sync()
    shutil.rmtree(world.folder / "kb")
    (world.folder / "kb.copy").rename(world.folder / "kb")
    world.fill(1000, 1000)
    world.sync()
    world.assert_in_step()


def who_lost_the_lease_commits_nothing(place: Place) -> None:
    """A holder that slept past its lease moves no watermark, prolongs no lease and records no sweep of its successor."""
    with Engine.of(_world(place)) as engine:
        engine.clock.now = engine.clock()
        run, lease = engine.claim()
        engine.clock.now += 2 * TTL
        successor = engine.ask()
        claimed = engine.state.leases.claim(owner_id(), engine.clock(), TTL, successor.number)
        assert claimed is not None
        with pytest.raises(LeaseLost):
            engine.state.leases.renew(lease, engine.clock(), TTL)
        with pytest.raises(LeaseLost):
            engine.state.sweeps.done(lease, engine.clock())
        with pytest.raises(LeaseLost):
            engine.state.checkpoints.commit(
                lease,
                run.number,
                Checkpoint(Watermark(), engine.job.definition.meaning(), Identity("any", 0)),
                counts=run.counts,
                stages={},
                rejects=(),
                resolved=(),
                now=engine.clock(),
            )


def a_run_whose_process_died_is_ended(place: Place) -> None:
    """It is marked as crashed, and the job is free for the next one."""
    with Engine.of(_world(place)) as engine:
        run, _ = engine.claim()
        engine.state.leases.recover(engine.clock(), lambda owner: False)
        assert engine.state.runs.get(run.number).status is RunStatus.CRASHED
        assert engine.run().status == "completed"


def a_second_owner_is_refused(place: Place) -> None:
    """One process, and in it one opener, owns an embedded knowledge base."""
    world = _world(place, 1)
    with Engine.of(world) as one, Engine.of(world) as other:
        with one.parts.target("kb_one"), pytest.raises(SyncdError) as refusal, other.parts.target("kb_one"):
            pass
    assert isinstance(refusal.value, InUse), refusal.value


def a_sweep_removes_what_has_no_row_and_syncs_what_differs(place: Place) -> None:
    """Deleted rows, and changes that left the filter value alone."""
    world = _world(place, deletes="mode: sweep")
    with Engine.of(world) as engine:
        engine.run(options=SWEEP)
        world.execute("DELETE FROM t WHERE id = 3", "UPDATE t SET body = 'in silence' WHERE id = 5")
        assert engine.run(options=SWEEP).status == "completed"
    world.assert_in_step()


def a_row_that_comes_back_keeps_its_document(place: Place) -> None:
    """A row that is inserted again while its table is swept is looked for once more."""
    world = _world(place, deletes="mode: sweep")
    with Engine.of(world) as engine:
        engine.run(options=SWEEP)
        world.execute("DELETE FROM t WHERE id = 3")
        engine.at_step["listed"] = lambda: world.fill(3, 3)
        engine.run(options=SWEEP)
    world.assert_in_step()


def an_emptied_table_empties_nothing(place: Place) -> None:
    """A sweep that would remove most of the documents removes none, and waits."""
    world = _world(place, 120, window_rows=200, deletes="mode: sweep")
    with Engine.of(world) as engine:
        engine.run(options=SWEEP)
        world.execute("DELETE FROM t WHERE id > 5")
        held = engine.run(options=SWEEP)
        assert (held.status, held.counts.deleted) == ("failed", 0)
        assert engine.job.blocked is not None
