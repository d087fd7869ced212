"""Document ids: injective over types and composite keys, readable, the same for ever."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import RecordError
from syncd.model.identity import chunk_id, document_id, document_of, encode_key, key_of

values = st.one_of(
    st.integers(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.uuids(),
    st.dates(),
    st.datetimes(),
    st.booleans(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)
keys = st.lists(values, min_size=1, max_size=4).map(tuple)


def typed(key: tuple[object, ...]) -> tuple[object, ...]:
    """Python takes 1 and True and Decimal(1) for equal; a key does not."""
    return tuple((type(value).__name__, value) for value in key)


@given(one=keys, other=keys)
def test_two_keys_share_an_id_only_when_they_are_one(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert (encode_key(one) == encode_key(other)) == (typed(one) == typed(other))


@given(key=keys, number=st.integers(0, 10**6))
def test_a_chunk_id_leads_back_to_its_document_and_key(key: tuple[object, ...], number: int) -> None:
    document = document_id("crm.public.people", key)
    assert document_of(chunk_id(document, number)) == document
    assert key_of(document) == encode_key(key)


@given(one=st.text(min_size=1, max_size=8), other=st.text(min_size=1, max_size=8))
def test_two_sources_never_share_ids(one: str, other: str) -> None:
    try:
        ids = document_id(one, (1,)), document_id(other, (1,))
    except UnicodeEncodeError:
        return
    assert (ids[0] == ids[1]) == (one == other)


def test_ids_stay_as_they_are_because_stores_hold_them() -> None:
    assert document_id("orders_db.orders", (42,)) == "orders_db.orders:42"
    assert document_id("d.t", ("1",)) == 'd.t:"1"'
    assert document_id("d.t", (b"1",)) == "d.t:x31"
    assert document_id("d.t", ("a,b", 7)) == 'd.t:"a,b",7'
    assert document_id("d.t", (uuid.UUID(int=5),)) == "d.t:u00000000-0000-0000-0000-000000000005"
    assert document_id("d.t", (date(2026, 1, 2),)) == "d.t:d2026-01-02"
    assert document_id("d.t", (datetime(2026, 1, 2, 3, tzinfo=UTC),)) == "d.t:t2026-01-02T03:00:00+00:00"
    assert document_id("d.t", (Decimal("1.50"),)) == "d.t:n1.5"
    assert document_id("d.t", (timedelta(seconds=1),)) == "d.t:i1000000"
    assert document_id("d.my table:x", (1,)) == "d.my%20table%3Ax:1"


@pytest.mark.parametrize("value", [None, "\ud800", Decimal("NaN"), {"a": 1}])
def test_what_cannot_be_a_key_is_a_fault_of_that_row(value: object) -> None:
    with pytest.raises(RecordError, match="key column"):
        encode_key((1, value))
