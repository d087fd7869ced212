"""Knowledge bases that offer less than Chroma's does, and one that is worn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.config.load import load
from syncd.config.settings import PartConfig
from syncd.errors import Conflict, OtherEmbedding
from syncd.model.generation import GenerationState
from syncd.model.record import Chunk
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.ports import KnowledgeBase
from syncd.rebuild import Rebuild
from syncd.state import State
from syncd.testing.documents import numbered
from tests.engine import Engine
from tests.world import World, now

BEYOND_THE_PORT = {"generations", "generation", "describe", "begin", "swap", "drop", "is_worn"}


class _Plain:
    """A knowledge base with the methods of its port and no more."""

    def __init__(self, base: KnowledgeBase) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        if name in BEYOND_THE_PORT:
            raise AttributeError(name)
        return getattr(self._base, name)


class PlainPlugins(Plugins):
    """The real plugins, whose knowledge bases hold one generation."""

    def knowledge_base(self, name: str, config: PartConfig, embedding: str, holder: Mapping[str, str]) -> KnowledgeBase:
        plain: Any = _Plain(super().knowledge_base(name, config, embedding, holder))
        return plain  # type: ignore[no-any-return]  # it has every method of the port


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """An installation in step."""
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 5)
    made.sync()
    return made


@contextmanager
def plain(world: World) -> Iterator[tuple[Parts, Rebuild]]:
    """Open the world's parts, whose store holds one generation."""
    plugins = PlainPlugins([])
    state = State.open(world.state_url)
    parts = Parts(load(world.config, {}, plugins.options_for), plugins, {"role": "test"})
    try:
        yield parts, Rebuild(state, parts, now)
    finally:
        parts.close()
        state.close()


def test_its_one_generation_is_filled_and_searched(world: World) -> None:
    """Runs and searches need nothing beyond the port."""
    with plain(world) as (parts, rebuild):
        with parts.target("kb_one") as target:
            assert target.filling is None
            assert target.knowledge_base.count() == 5
        assert parts.search("kb_one", "anything", 1, {}) != []
        [one] = rebuild.look("kb_one")
        assert (one.generation.state, one.generation.embedding, one.chunks) == (
            GenerationState.SERVING,
            "hashing:256:1 text:16:0",
            5,
        )


def test_it_cannot_be_rebuilt_beside_itself(world: World) -> None:
    """It says so, with another way."""
    with plain(world) as (_, rebuild):
        with pytest.raises(Conflict, match="a knowledge base of the type chroma holds one generation only") as told:
            rebuild.begin("kb_one", recalls=False)
        assert "make another knowledge base" in told.value.hint


def test_one_of_another_embedding_stays_shut(world: World) -> None:
    """Nobody could tell how to search it; and no lock is left behind."""
    world.rewrite(("embedder: {type: hashing}", "embedder: {type: hashing, dimension: 64}"))
    with plain(world) as (parts, _), pytest.raises(OtherEmbedding), parts.shelf("kb_one"):
        pass
    with Engine.of(world) as engine:
        assert engine.parts.search("kb_one", "anything", 1, {}) != []


def test_a_store_that_is_worn_is_opened_again_when_nobody_uses_it(world: World) -> None:
    """A daemon that runs for months does not need a restart for it."""
    plugins = Plugins([])
    parts = Parts(load(world.config, {}, plugins.options_for), plugins, {"role": "test"})
    with parts.target("kb_one") as target, parts.shelf("kb_one") as searched:
        texts = [f"passing {number}" for number in range(200)]
        vectors = target.embedder.embed(texts).tolist()
        passing = [
            replace(numbered(text, 1), chunks=(Chunk(text, tuple(vector)),))
            for text, vector in zip(texts, vectors, strict=True)
        ]
        for _ in range(3):
            target.knowledge_base.upsert(passing)
            target.knowledge_base.delete([one.id for one in passing])
        assert searched.is_worn()
        before = target.knowledge_base.identity()
    with parts.shelf("kb_one") as anew:
        assert anew is not searched
        assert not anew.is_worn()
        assert (anew.serving().uuid, anew.knowledge_base(before.uuid).count()) == (before.uuid, 5)
    with parts.shelf("kb_one") as same:
        assert same is anew
    parts.close()
