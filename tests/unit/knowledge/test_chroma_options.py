"""Options of a Chroma knowledge base: one place, and no secret in the wrong one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from syncd.knowledge.chroma.options import ChromaOptions


@pytest.mark.parametrize(
    "options",
    [
        {"path": "data/kb"},
        {"url": "http://chroma:8000"},
        {"url": "https://chroma"},
        {"url": "http://[::1]:8000/"},
        {"url": "http://chroma:8000", "tenant": "t", "database": "d", "token": "secret", "timeout": 5},
    ],
)
def test_good_options(options: dict[str, object]) -> None:
    """A folder or a server is enough; a server takes more."""
    ChromaOptions.model_validate(options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either path"),
        ({"path": "data/kb", "url": "http://chroma:8000"}, "either path"),
        ({"path": ""}, "at least 1 character"),
        ({"path": "data/kb", "token": "secret"}, "only for a server"),
        ({"path": "data/kb", "timeout": 3}, "only for a server"),
        ({"url": "chroma:8000"}, "must look like"),
        ({"url": "ftp://chroma"}, "must look like"),
        ({"url": "http://user:word@chroma:8000"}, "use token"),
        ({"url": "http://chroma:8000/api/v2"}, "end with the host"),
        ({"url": "http://chroma:8000?x=1"}, "end with the host"),
        ({"url": "http://chroma:80000"}, "65535"),
        ({"url": "http://chroma:8000", "timeout": 0}, "greater than 0"),
        ({"url": "http://chroma:8000", "colection": "x"}, "not permitted"),
    ],
)
def test_bad_options(options: dict[str, object], said: str) -> None:
    """The message says what would be right."""
    with pytest.raises(ValidationError, match=said):
        ChromaOptions.model_validate(options)


def test_the_token_is_not_shown() -> None:
    """Neither printing nor dumping reveals it (invariant 10)."""
    options = ChromaOptions.model_validate({"url": "http://chroma:8000", "token": "canary-secret"})
    assert "canary" not in f"{options!r} {options} {options.model_dump()} {options.model_dump_json()}"


def test_every_option_is_described() -> None:
    """The configuration reference is made from these descriptions."""
    properties = ChromaOptions.model_json_schema()["properties"]
    assert all(len(one["description"]) > 20 for one in properties.values())
