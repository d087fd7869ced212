"""Rebuilds: a new generation is filled beside the old one, which serves until the new one is complete."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from syncd.config.load import load
from syncd.errors import Conflict, NotFound, SyncdError, Unavailable
from syncd.model.generation import GenerationState
from syncd.model.run import RunOptions
from syncd.rebuild import Rebuild, options_for
from tests.engine import Engine
from tests.waiting import until
from tests.world import World, words

ROWS = 250
OTHER_MODEL = ("embedder: {type: hashing}", "embedder: {type: hashing, dimension: 64}")
SECOND_JOB = (
    "server:",
    """  other:
    source_table: db.u
    kb_name: kb_one
    content_columns: [body]
    filter_column: f
    interval: 1 DAY
server:""",
)
SERVING, FILLING, FORMER = GenerationState


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """An installation with all rows in step, in an embedded store."""
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, ROWS)
    assert made.sync().counts.embedded == ROWS
    return made


@pytest.fixture
def served_world(tmp_path: Path, sqlite_url: str, chroma_server: str) -> World:
    """The same on a server."""
    World.make(tmp_path, sqlite_url)
    made = World(tmp_path, sqlite_url, served=urlsplit(chroma_server).port)
    made.rewrite((f"path: {tmp_path}/kb", f"url: {chroma_server}"))
    made.fill(1, ROWS)
    assert made.sync().counts.embedded == ROWS
    return made


def rebuild_of(engine: Engine) -> Rebuild:
    return Rebuild(engine.state, engine.parts, engine.clock)


def states(engine: Engine) -> dict[GenerationState, int | None]:
    """How many chunks the generations hold, by their state."""
    return {one.generation.state: one.chunks for one in rebuild_of(engine).look("kb_one")}


class Searcher(threading.Thread):
    """Looks for rows all the time; each must be found first, and by its very own vector."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._engine = engine
        self._over = threading.Event()
        self.found = 0
        self.wrong: list[object] = []

    def run(self) -> None:
        row = 0
        while not self._over.is_set():
            row = row % ROWS + 1
            try:
                [match] = self._engine.parts.search("kb_one", f"body: {words(row, 4)}", 1, {})
            except SyncdError as error:
                self.wrong.append(error)
                continue
            if match.id != f"db.t:{row}#0" or match.score < 0.999:
                self.wrong.append((row, match))
            self.found += 1

    def more(self) -> None:
        """Wait until ten more rows have been found."""
        before = self.found
        until(lambda: self.found >= before + 10 or self.wrong)

    @classmethod
    @contextmanager
    def over(cls, engine: Engine) -> Iterator[Searcher]:
        searcher = cls(engine)
        searcher.start()
        try:
            yield searcher
        finally:
            searcher._over.set()
            searcher.join()
        assert searcher.wrong == []


@pytest.mark.parametrize("where", ["world", "served_world"])
def test_a_model_is_changed_under_searches(where: str, request: pytest.FixtureRequest) -> None:
    """Runs are refused, searches go on; a rebuild fills the new generation, and searches never miss, before or after."""
    world: World = request.getfixturevalue(where)
    world.rewrite(OTHER_MODEL)
    with Engine.of(world) as engine, Searcher.over(engine) as searcher:
        refused = engine.run()
        assert refused.error is not None
        assert "`syncd kb rebuild kb_one`" in refused.error
        searcher.more()
        begun = rebuild_of(engine).begin("kb_one", recalls=False)
        assert (begun.new, [job.name for job in begun.jobs], begun.left_out) == (True, ["copy"], ())
        assert rebuild_of(engine).begin("kb_one", recalls=False).new is False
        searcher.more()
        engine.at_step = dict.fromkeys(("written", "committed", "complete", "swapped"), searcher.more)
        run = engine.run()
        assert (run.status, run.counts.embedded, run.counts.recalled) == ("completed", ROWS, 0)
        searcher.more()
        assert states(engine) == {SERVING: ROWS, FORMER: ROWS}
        assert engine.job.blocked is None
        assert engine.run().counts.embedded == 0
    world.assert_in_step()
    world.assert_pure()
    assert sorted(world.collections()) == ["kb_one", *(n for n in world.collections() if ".syncd-former-" in n)]


def test_runs_fill_the_new_generation_until_it_is_complete(world: World) -> None:
    """A run that stops early leaves the old one serving; what changed meanwhile is in the new one alone."""
    world.rewrite(OTHER_MODEL)
    with Engine.of(world) as engine:
        [generation] = [rebuild_of(engine).begin("kb_one", recalls=False).standing.generation]
        assert rebuild_of(engine).look("kb_one")[1].waits_for == {"copy": "has not begun to fill it"}
        assert engine.run(options=RunOptions(limit=100)).counts.embedded == 100
        assert states(engine) == {SERVING: ROWS, FILLING: 100}
        assert rebuild_of(engine).look("kb_one")[1].waits_for == {"copy": "has not read its table to the end"}
        world.execute(f"UPDATE t SET body = 'something else', f = {ROWS + 1} WHERE id = 3")
        assert engine.parts.search("kb_one", f"body: {words(3, 4)}", 1, {})[0].score > 0.999
        assert engine.run(options=RunOptions(dry_run=True)).status == "completed"
        assert states(engine) == {SERVING: ROWS, FILLING: 100}
        assert engine.run().counts.embedded == ROWS - 100 + 1
        assert engine.parts.search("kb_one", "body: something else", 1, {})[0].id == "db.t:3#0"
        assert rebuild_of(engine).look("kb_one")[0].generation.uuid == generation.uuid
    world.assert_in_step()


def changed(world: World) -> None:
    """Change the texts of five rows and the metadata of three others."""
    world.execute(
        "UPDATE t SET body = 'changed ' || id WHERE id <= 5", "UPDATE t SET tag = 'x' WHERE id BETWEEN 6 AND 8"
    )


@pytest.mark.parametrize("where", ["world", "served_world"])
def test_vectors_that_still_hold_are_kept(where: str, request: pytest.FixtureRequest) -> None:
    """Exactly the changed texts are embedded, and the metadata are the new ones; without asking, all is embedded."""
    world: World = request.getfixturevalue(where)
    changed(world)
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=True)
        counts = engine.run().counts
        assert (counts.embedded, counts.recalled, counts.inserted, counts.chunks) == (5, ROWS - 5, ROWS, 5)
        rebuild_of(engine).begin("kb_one", recalls=False)
        counts = engine.run().counts
        assert (counts.embedded, counts.recalled) == (ROWS, 0)
    world.assert_in_step()
    world.assert_pure()


def test_the_former_generation_is_the_way_back(world: World) -> None:
    """After a swap to another model, the old configuration and its kept vectors need no embedding."""
    world.rewrite(OTHER_MODEL)
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=True)
        counts = engine.run().counts
        assert (counts.embedded, counts.recalled) == (ROWS, 0)
    world.rewrite((OTHER_MODEL[1], OTHER_MODEL[0]))
    changed(world)
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=True)
        counts = engine.run().counts
        assert (counts.embedded, counts.recalled) == (5, ROWS - 5)
    world.assert_in_step()
    world.assert_pure()


def test_a_rebuild_that_is_given_up_leaves_the_old_generation(world: World) -> None:
    """Dropped in the middle of a run, it is gone; the run goes on with the old one, and embeds what changed only."""
    with Engine.of(world) as engine:
        generation = rebuild_of(engine).begin("kb_one", recalls=False).standing.generation
        with pytest.raises(Conflict, match="serves the knowledge base"):
            rebuild_of(engine).drop("kb_one", rebuild_of(engine).look("kb_one")[0].generation.uuid)
        with pytest.raises(NotFound, match="has no generation"):
            rebuild_of(engine).drop("kb_one", "another")
        drop: list[Callable[[], None]] = [lambda: rebuild_of(engine).drop("kb_one", generation.uuid)]
        engine.at_step["committed"] = lambda: drop.pop()() if drop else None
        world.execute(f"UPDATE t SET body = 'changed', f = {ROWS + 1} WHERE id = 3")
        assert engine.run().status == "completed"
        assert len(engine.pauses) == 1
        assert states(engine) == {SERVING: ROWS}
    world.assert_in_step()


def test_a_new_generation_waits_for_every_job(world: World) -> None:
    """Two jobs fill one knowledge base: it swaps with the last of them; a disabled one is waited for, and named."""
    world.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, f INTEGER NOT NULL, body TEXT)")
    world.execute("INSERT INTO u VALUES (1, 1, 'of the other table')")
    world.rewrite(SECOND_JOB)
    world.sync("other")
    world.rewrite(OTHER_MODEL)
    with Engine.of(world) as engine:
        begun = rebuild_of(engine).begin("kb_one", recalls=False)
        assert [job.name for job in begun.jobs] == ["copy", "other"]
        engine.run("copy")
        assert states(engine) == {SERVING: ROWS + 1, FILLING: ROWS}
        engine.state.jobs.pause(engine.state.jobs.get("other").id, engine.clock())
        waits = rebuild_of(engine).look("kb_one")[1].waits_for
        assert waits == {"other": "has not begun to fill it, and is paused: `syncd sync other` runs it once"}
        engine.run("copy")
        assert states(engine) == {SERVING: ROWS + 1, FILLING: ROWS}
        engine.run("other", options=RunOptions(force=True))
        assert states(engine) == {SERVING: ROWS + 1, FORMER: ROWS + 1}
    world.assert_pure()


def test_jobs_that_have_ended_are_left_out_and_named(world: World) -> None:
    """Their documents are in the former generation only; where no job is left there is no rebuild."""
    world.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, f INTEGER NOT NULL, body TEXT)")
    world.execute("INSERT INTO u VALUES (1, 1, 'of the other table')")
    world.rewrite(SECOND_JOB)
    world.sync("other")
    world.rewrite((SECOND_JOB[1], SECOND_JOB[0]))
    with Engine.of(world) as engine:
        begun = rebuild_of(engine).begin("kb_one", recalls=False)
        assert [[job.name for job in jobs] for jobs in (begun.jobs, begun.left_out)] == [["copy"], ["other"]]
        engine.run()
        assert states(engine) == {SERVING: ROWS, FORMER: ROWS + 1}
        engine.state.jobs.end(engine.job.id, engine.clock())
        with pytest.raises(Conflict, match="no job fills"):
            rebuild_of(engine).begin("kb_one", recalls=False)


def test_a_job_that_ends_in_the_middle_swaps_nothing(world: World) -> None:
    """With no job left, nobody can say that the new generation is complete."""
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=False)
        engine.at_step["complete"] = lambda: pytest.fail("it is not")
        engine.at_step["written"] = lambda: engine.state.jobs.end(engine.job.id, engine.clock())
        engine.run()
        assert set(states(engine)) == {SERVING, FILLING}


def test_a_job_that_sweeps_is_waited_for_until_it_has_swept(world: World) -> None:
    """What only a sweep sees is in the new generation before it serves."""
    world.rewrite(("mode: soft, column: gone", "mode: sweep, interval: 30 DAYS"))
    with Engine.of(world) as engine:
        engine.run(options=RunOptions(sweep=True))
        rebuild_of(engine).begin("kb_one", recalls=True)
        engine.run()
        assert rebuild_of(engine).look("kb_one")[1].waits_for == {"copy": "has not swept its table"}
        assert engine.run(options=options_for(engine.job)).counts.swept == ROWS
        assert states(engine) == {SERVING: ROWS, FORMER: ROWS}


def test_an_embedder_that_is_gone_keeps_searches_from_nothing_but_themselves(world: World) -> None:
    """They say why, and work again once the new generation serves."""
    world.rewrite(OTHER_MODEL)
    world.relabel("kb_one", syncd_recipe='["gone", {}]')
    with Engine.of(world) as engine:
        with pytest.raises(Unavailable, match=r'no embedder type "gone"') as told:
            engine.parts.search("kb_one", "anything", 1, {})
        assert "syncd kb rebuild kb_one" in told.value.hint
        rebuild_of(engine).begin("kb_one", recalls=True)
        assert engine.run().counts.embedded == ROWS
        assert engine.parts.search("kb_one", f"body: {words(3, 4)}", 1, {})[0].score > 0.999


def test_options_that_make_another_embedder_now_are_not_searched_with(world: World) -> None:
    """A question is never embedded by another model than the vectors were."""
    world.rewrite(OTHER_MODEL)
    world.relabel("kb_one", syncd_recipe='["hashing", {"dimension": 32}]')
    with Engine.of(world) as engine, pytest.raises(Unavailable, match="what its options make now is hashing:32"):
        engine.parts.search("kb_one", "anything", 1, {})


def test_a_configuration_that_changes_again_needs_a_decision(world: World) -> None:
    """A third model is neither mixed into the second's generation nor put in its place unasked."""
    world.rewrite(OTHER_MODEL)
    with Engine.of(world) as engine:
        second = rebuild_of(engine).begin("kb_one", recalls=False).standing.generation
        engine.run(options=RunOptions(limit=100))
    world.rewrite(("dimension: 64", "dimension: 128"))
    with Engine.of(world) as engine:
        assert "it holds hashing:64" in str(engine.run().error)
        with pytest.raises(Conflict, match="is filling a new generation") as told:
            rebuild_of(engine).begin("kb_one", recalls=False)
        assert told.value.hint == f"`syncd kb drop-generation kb_one {second.uuid}` gives it up"
        rebuild_of(engine).drop("kb_one", second.uuid)
        rebuild_of(engine).begin("kb_one", recalls=False)
        assert engine.run().counts.embedded == ROWS
        assert states(engine) == {SERVING: ROWS, FORMER: ROWS}
    world.assert_pure()


def test_a_configuration_that_is_not_applied_yet_is_not_rebuilt_with(world: World) -> None:
    """A daemon that has read a new model, and would fill a whole generation with the old one, says so instead."""
    with Engine.of(world) as engine:
        engine.run()
        world.rewrite(OTHER_MODEL)
        engine.parts.configure(load(world.config, {}, engine.plugins.options_for))
        with pytest.raises(Conflict, match="kb_one is configured anew"):
            rebuild_of(engine).begin("kb_one", recalls=False)
        assert states(engine) == {SERVING: ROWS}


def test_a_purge_reaches_every_generation(world: World) -> None:
    """Documents that somebody wants gone do not wait in a former generation."""
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=True)
        engine.run()
        rebuild_of(engine).begin("kb_one", recalls=True)
        engine.run(options=RunOptions(limit=100))
        engine.parts.purge(engine.job)
        assert states(engine) == {SERVING: 0, FILLING: 0, FORMER: 0}


def test_another_process_that_swaps_is_noticed(served_world: World) -> None:
    """Two daemons on one server: the other one's searches and runs go over to the new generation."""
    with Engine.of(served_world) as one, Engine.of(served_world) as other:
        assert other.parts.search("kb_one", f"body: {words(3, 4)}", 1, {})[0].id == "db.t:3#0"
        with other.parts.target("kb_one") as before:
            rebuild_of(one).begin("kb_one", recalls=True)
            one.run()
            assert before.knowledge_base.count() == ROWS
        with other.parts.target("kb_one") as after:
            assert after.knowledge_base.identity().uuid != before.knowledge_base.identity().uuid
        assert other.run().counts.embedded == 0
        rebuild_of(one).begin("kb_one", recalls=True)
        one.run()
        assert other.parts.search("kb_one", f"body: {words(3, 4)}", 1, {})[0].id == "db.t:3#0"


def test_the_end_of_a_rebuild_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The log says when the new generation is searched."""
    caplog.set_level(logging.INFO)
    with Engine.of(world) as engine:
        rebuild_of(engine).begin("kb_one", recalls=True)
        engine.run()
        engine.run()
    told = [message for message in caplog.messages if "new generation of the knowledge base kb_one is" in message]
    assert [message.split(" is ")[1] for message in told] == ["being filled", "complete, and"]
