"""Passwords are taken out of texts, and little else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.telemetry import hide_passwords


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://u:secret@h/db", "postgresql://u:***@h/db"),
        ("mysql+pymysql://u:se@cr:et/@h/db failed", "mysql+pymysql://u:***@h/db failed"),
        ("redis://:secret@h", "redis://:***@h"),
        ("from a://u:one@h to b://v:two@i", "from a://u:***@h to b://v:***@i"),
        ("postgresql://h/db?user=u&password=secret&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("host=h PASSWORD=secret dbname=d", "host=h PASSWORD=*** dbname=d"),
        ("https://h/x?api_key=secret", "https://h/x?api_key=***"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("http://127.0.0.1:8000/v1/jobs", "http://127.0.0.1:8000/v1/jobs"),
        (f"/v1/jobs/syncd_12_{'aZ9-_' * 8}abc is unknown", "/v1/jobs/syncd_12_*** is unknown"),
        ("truncated_tokens=3 at 12:00", "truncated_tokens=3 at 12:00"),
        ("", ""),
    ],
)
def test_a_password_becomes_three_stars(text: str, hidden: str) -> None:
    assert hide_passwords(text) == hidden
    assert hide_passwords(hidden) == hidden


@given(
    before=st.text(),
    scheme=st.from_regex(r"[a-z][a-z0-9+]{0,20}", fullmatch=True),
    user=st.from_regex(r"[a-z0-9%._-]{0,30}", fullmatch=True),
    after=st.text(),
)
def test_no_surroundings_bring_a_password_out(before: str, scheme: str, user: str, after: str) -> None:
    for password in ("s3cr3t-canary", "s3cr3t@canary", "s3cr3t:/canary"):
        assert "s3cr3t" not in hide_passwords(f"{before}{scheme}://{user}:{password}@host{after}")


@pytest.mark.parametrize("piece", ["://", "://a:", "://a:b@", "password=", "a", "@", ":"])
def test_a_long_text_costs_little_however_it_is_made(piece: str) -> None:
    began = time.process_time()
    hide_passwords(piece * 50_000)
    assert time.process_time() - began < 5
