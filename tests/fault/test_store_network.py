"""A Chroma server that dies, is slow, refuses, or whose answers are lost, costs another try and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.model.run import Run, RunStatus
from tests.engine import Engine
from tests.proxy import Proxy, http, proxy
from tests.services import ChromaServer
from tests.world import World

ROWS, WINDOWS = 250, 3


@dataclass
class Served:
    """A job whose knowledge base is on a server behind a proxy, and what embedding it has cost."""

    engine: Engine
    proxy: Proxy
    embedded: int = 0

    def count(self) -> None:
        """Note one call of the model."""
        self.embedded += 1

    def run_through(self, fault: Callable[[], object], attempts: int = 2) -> Run:
        """Run while something fails, until the network heals before the last attempt."""

        def heal() -> None:
            if len(self.engine.pauses) == attempts - 1:
                self.proxy.heal()

        self.engine.on_pause = heal
        self.engine.plugins.before["embedder.embed"] = self.count
        fault()
        run = self.engine.run()
        assert (run.status, run.attempt) == (RunStatus.COMPLETED, attempts), run.error
        return run

    def assert_in_step(self) -> None:
        """The knowledge base equals the table, and no batch but the one at fault was embedded twice."""
        self.engine.parts.close()
        self.engine.world.assert_in_step()
        # And the two texts by which a model is looked at first.
        assert self.embedded <= WINDOWS + 2


@contextmanager
def filling(folder: Path, source: str, port: int) -> Iterator[Served]:
    """Have 250 rows of several chunks each, in three windows of one batch, for a server at that port."""
    World.make(folder, source)
    world = World(folder, source, served=port)
    world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"))
    world.fill(1, ROWS, length=30)
    with proxy(port) as network:
        world.rewrite((f"path: {folder}/kb", f"url: http://127.0.0.1:{network.port}\n    timeout: 5"))
        with Engine.of(world) as engine:
            yield Served(engine, network)


@pytest.fixture
def served(tmp_path: Path, sqlite_url: str, chroma_server: str) -> Iterator[Served]:
    """A job that fills the server that all tests share."""
    with filling(tmp_path, sqlite_url, int(chroma_server.rpartition(":")[2])) as made:
        yield made
        made.proxy.heal()
        made.engine.parts.close()


def once(action: Callable[[], object], at: int) -> Callable[[], None]:
    """Do something the n-th time."""
    left = at

    def act() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            action()

    return act


def test_a_server_that_is_killed_in_the_middle_and_comes_back(
    tmp_path: Path, sqlite_url: str, own_chroma_server: ChromaServer
) -> None:
    with filling(tmp_path, sqlite_url, own_chroma_server.port) as served:
        served.engine.at_step["written"] = once(own_chroma_server.kill, at=2)
        served.engine.on_pause = own_chroma_server.start
        served.engine.plugins.before["embedder.embed"] = served.count
        run = served.engine.run()
        assert (run.status, run.attempt) == (RunStatus.COMPLETED, 2)
        served.assert_in_step()


def test_a_server_that_is_too_slow(served: Served) -> None:
    """The configured timeout counts, and not the server's patience."""
    served.engine.world.rewrite(("timeout: 5", "timeout: 0.5"))
    with Engine.of(served.engine.world) as hasty:
        served.engine = hasty
        served.run_through(lambda: hasty.at_step.update(embedded=once(lambda: served.proxy.delay(30), at=2)))
        served.assert_in_step()


BUSY = http(429, '{"error":"RateLimitError","message":"slow down"}', "Retry-After: 7")


@pytest.mark.parametrize(("call", "answer"), [(b"/upsert", BUSY), (b"/get", http(500, "boom"))], ids=["write", "read"])
def test_a_server_that_refuses_for_a_while(served: Served, call: bytes, answer: bytes) -> None:
    """The pauses are the job's own, and grow; the run goes on where it was when the server is well again."""
    run = served.run_through(lambda: served.proxy.answer(call, answer), attempts=3)
    assert run.counts.embedded == ROWS
    assert served.engine.pauses[0] < served.engine.pauses[1]
    served.engine.parts.close()
    served.engine.world.assert_in_step()


@pytest.mark.parametrize("call", [b"/upsert", b"/delete", b"/update"])
def test_an_answer_that_is_lost_after_the_work_was_done(served: Served, call: bytes) -> None:
    """Nothing is doubled, and what was held is not embedded again."""
    world = served.engine.world
    served.engine.run()
    world.execute(
        "UPDATE t SET body = 'short ' || id, f = f + 1000 WHERE id <= 50",
        "UPDATE t SET tag = 'other', f = f + 1000 WHERE id BETWEEN 51 AND 100",
        "UPDATE t SET gone = 1, f = f + 1000 WHERE id BETWEEN 101 AND 150",
    )
    served.run_through(lambda: served.proxy.swallow(call))
    assert served.proxy.struck == 1
    served.assert_in_step()


def test_a_request_that_is_cut_in_its_body(served: Served) -> None:
    served.run_through(lambda: served.proxy.cut(b"/upsert", 50_000))
    assert served.proxy.struck == 1
    served.assert_in_step()


def test_an_answer_that_is_cut_in_its_body(served: Served) -> None:
    served.run_through(lambda: served.proxy.after(1_000, served.proxy.reset))
    assert served.proxy.struck == 1
    served.assert_in_step()
