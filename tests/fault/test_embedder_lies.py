"""An embedder that answers wrongly is not believed: the run says so, and no document gets a vector that is not its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from syncd.config.settings import PartConfig
from syncd.errors import RecordError
from syncd.model.run import RunStatus
from syncd.ports import Embedder, Vectors
from tests.engine import Engine
from tests.world import World

POISON = "poison"
Answer = Callable[[Sequence[str], Vectors], Vectors]


class Lying:
    """The real embedder, whose vectors pass through something that spoils them."""

    def __init__(self, embedder: Embedder, spoil: Answer) -> None:
        self._embedder = embedder
        self._spoil = spoil

    def __getattr__(self, name: str) -> object:
        return getattr(self._embedder, name)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Answer wrongly."""
        return self._spoil(texts, self._embedder.embed(texts))


@pytest.fixture
def engine(tmp_path: Path, sqlite_url: str) -> Iterator[Engine]:
    """A job over 250 rows, three of which have a word in them that some embedders do not bear."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 250)
    world.execute(f"UPDATE t SET body = body || ' {POISON}' WHERE id IN (7, 8, 150)")
    with Engine.of(world) as made:
        yield made


def spoilt(engine: Engine, monkeypatch: pytest.MonkeyPatch, spoil: Answer) -> None:
    """Let the engine's embedder answer so from now on."""
    honest = engine.plugins.embedder

    def embedder(config: PartConfig) -> Embedder:
        lying: Embedder = Lying(honest(config), spoil)  # type: ignore[assignment]  # passes the rest on
        return lying

    monkeypatch.setattr(engine.plugins, "embedder", embedder)


def poisoned(texts: Sequence[str]) -> list[bool]:
    return [POISON in text for text in texts]


def nan(texts: Sequence[str], vectors: Vectors) -> Vectors:
    vectors[poisoned(texts)] = np.nan
    return vectors


def zero(texts: Sequence[str], vectors: Vectors) -> Vectors:
    vectors[poisoned(texts)] = 0
    return vectors


def refusal(texts: Sequence[str], vectors: Vectors) -> Vectors:
    if any(poisoned(texts)):
        raise RecordError("the model does not bear this text")
    return vectors


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(nan, "a vector that is not finite"), (zero, "a vector of zeros"), (refusal, "does not bear this text")],
)
def test_a_wrong_answer_for_some_texts_leaves_out_these_and_no_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, spoil: Answer, reason: str
) -> None:
    with monkeypatch.context() as patch:
        spoilt(engine, patch, spoil)
        run = engine.run()
    assert (run.status, run.counts.embedded) == (RunStatus.COMPLETED_WITH_WARNINGS, 247)
    letters = engine.state.dead_letters.list(engine.job.id)
    assert sorted(letter.key for letter in letters) == ["150", "7", "8"]
    assert all(reason in letter.reason for letter in letters)
    engine.parts.close()
    assert engine.world.held().keys() == engine.world.expected().keys() - {"db.t:7", "db.t:8", "db.t:150"}


def test_the_rows_that_were_left_out_come_when_the_embedder_is_well_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        spoilt(engine, patch, nan)
        engine.run()
    engine.parts.close()
    with Engine.of(engine.world) as well:
        assert well.run().counts.embedded == 3
        assert well.state.dead_letters.list(well.job.id) == []
    engine.world.assert_in_step()


def short(_texts: Sequence[str], vectors: Vectors) -> Vectors:
    return vectors[:-1]


def long(_texts: Sequence[str], vectors: Vectors) -> Vectors:
    return np.concatenate([vectors, vectors[:1]])


def flat(_texts: Sequence[str], vectors: Vectors) -> Vectors:
    return vectors.reshape(-1)


def by_length(texts: Sequence[str], vectors: Vectors) -> Vectors:
    """The classic: texts are sorted to fill batches well, and nobody sorts the vectors back."""
    return vectors[sorted(range(len(texts)), key=lambda n: (len(texts[n]), texts[n]))]


def backwards(_texts: Sequence[str], vectors: Vectors) -> Vectors:
    return vectors[::-1]


def shifted(_texts: Sequence[str], vectors: Vectors) -> Vectors:
    return np.roll(vectors, 1, axis=0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (short, r"answered 99 vectors for 100 texts"),
        (long, r"answered 101 vectors for 100 texts"),
        (flat, r"vectors for 100 texts"),
        (by_length, "in another order"),
        (backwards, "in another order"),
        (shifted, "in another order"),
    ],
)
def test_an_answer_that_cannot_be_right_fails_the_run_and_writes_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, spoil: Answer, reason: str
) -> None:
    with monkeypatch.context() as patch:
        spoilt(engine, patch, spoil)
        run = engine.run()
    assert run.status is RunStatus.FAILED
    assert reason in str(run.error)
    assert engine.job.blocked == run.error
    assert engine.state.dead_letters.list(engine.job.id) == []
    assert engine.state.checkpoints.get(engine.job.id) is None
    engine.parts.close()
    assert engine.world.held() == {}


def test_vectors_that_change_their_length_in_the_middle_fail_the_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before stays, and the next run goes on from there."""
    calls = 0

    def shorter_later(_texts: Sequence[str], vectors: Vectors) -> Vectors:
        nonlocal calls
        calls += 1
        return vectors if calls <= 2 else vectors[:, :-1]

    with monkeypatch.context() as patch:
        spoilt(engine, patch, shorter_later)
        run = engine.run()
    assert run.status is RunStatus.FAILED
    assert "vectors of 255 numbers, and of 256 before" in str(run.error)
    assert run.counts.embedded == 100
    engine.parts.close()
    with Engine.of(engine.world) as well:
        assert well.run().counts.embedded == 150
    engine.world.assert_in_step()
