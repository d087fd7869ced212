"""A window's rows are sorted so that nothing is embedded that is held already."""

from __future__ import annotations

from syncd.compare import compare
from syncd.model.fingerprint import fingerprint
from syncd.model.record import Metadata, Record, Removal


def record(key: int, text: str = "text", metadata: Metadata | None = None, *, removed: Removal | None = None) -> Record:
    """A record of the table `t`."""
    return Record((key,), f"d.t:{key}", text, metadata or {}, removed)


def test_each_record_needs_one_thing_or_nothing() -> None:
    held = {
        "d.t:1": fingerprint("text", {}),
        "d.t:2": fingerprint("old", {}),
        "d.t:3": fingerprint("text", {"a": 1}),
        "d.t:4": fingerprint("text", {}),
        "d.t:5": fingerprint("text", {}),
    }
    found = compare(
        [
            record(1),
            record(2),
            record(3),
            record(4, removed=Removal.DELETED),
            record(5, text=""),
            record(6),
            record(7, removed=Removal.DELETED),
        ],
        held,
    )
    assert [change.record.key for change in found.content] == [(2,), (6,)]
    assert [update.id for update in found.metadata] == ["d.t:3"]
    assert found.gone == ("d.t:4", "d.t:5", "d.t:7"), "what a cut-off write left behind of 7 has to go too"
    assert found.held == {"d.t:4", "d.t:5"}
    assert found.unchanged == 1
    assert not found.empty


def test_removing_what_is_not_held_leaves_the_knowledge_base_as_it_is() -> None:
    assert compare([record(1, removed=Removal.DELETED)], {}).empty


def test_the_order_of_metadata_does_not_matter() -> None:
    held = {"d.t:1": fingerprint("text", {"a": 1, "b": None})}
    assert compare([record(1, metadata={"b": None, "a": 1})], held).unchanged == 1
