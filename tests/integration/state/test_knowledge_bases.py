"""Knowledge bases of the API are kept by name, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from syncd.errors import Conflict, Unavailable
from syncd.model.job import Origin
from syncd.model.knowledge_base import KeptKnowledgeBase, KeptPart, KnowledgeBaseDefinition
from syncd.state import State
from tests.integration.state.values import NOW, definition

DEFINITION = KnowledgeBaseDefinition(
    store=KeptPart(of="served"),
    embedder=KeptPart(type="hashing", options={"dimension": 64}),
    chunking=KeptPart(type="text", options={"max_tokens": 256, "overlap": 32}),
)


def test_what_is_kept_comes_back_as_it_was_in_the_order_of_names(state: State) -> None:
    for name in ("b", "a", "B"):
        state.knowledge_bases.add(name, DEFINITION, NOW, 10)
    assert state.knowledge_bases.list() == [KeptKnowledgeBase(name, DEFINITION, NOW) for name in ("B", "a", "b")]
    state.knowledge_bases.remove("a", NOW)
    state.knowledge_bases.remove("nobody", NOW)
    assert [one.name for one in state.knowledge_bases.list()] == ["B", "b"]
    assert [event.kind for event in state.events.list()].count("knowledge_base_removed") == 1


def test_of_many_who_want_a_name_one_gets_it(state: State) -> None:
    def add(_: int) -> bool:
        try:
            state.knowledge_bases.add("name", DEFINITION, NOW, 10)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(16))) == 1


def test_there_is_a_most(state: State) -> None:
    for number in range(3):
        state.knowledge_bases.add(f"kb{number}", DEFINITION, NOW, 3)
    with pytest.raises(Conflict, match="there are 3 knowledge bases already"):
        state.knowledge_bases.add("kb3", DEFINITION, NOW, 3)
    assert len(state.knowledge_bases.list()) == 3


def test_one_that_a_living_job_fills_is_not_forgotten(state: State) -> None:
    job = state.jobs.put("orders", definition(), Origin.FILE, NOW)
    name = job.definition.kb_name
    state.knowledge_bases.add(name, DEFINITION, NOW, 10)
    with pytest.raises(Conflict, match="the job orders fills"):
        state.knowledge_bases.remove(name, NOW)
    state.jobs.end(job.id, NOW)
    state.knowledge_bases.remove(name, NOW)
    assert state.knowledge_bases.list() == []


def test_a_definition_of_another_program_is_told_as_such(state: State, state_url: str) -> None:
    state.knowledge_bases.add("kb", DEFINITION, NOW, 10)
    engine = sa.create_engine(state_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE knowledge_bases SET definition = '{\"shape\": 2}'")
    with pytest.raises(Unavailable, match="cannot read the definition of the knowledge base 'kb'"):
        state.knowledge_bases.list()
