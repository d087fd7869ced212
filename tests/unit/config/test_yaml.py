"""What YAML may hold: everything else is refused with its line, and nothing crashes the reader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from syncd.config.document import core_schema
from syncd.config.load import load
from syncd.config.settings import Settings
from syncd.errors import ConfigError
from syncd.model.job import JobDefinition

Faults = Callable[..., list[str]]
Load = Callable[..., Settings]

LAUGHS = "\n".join(
    ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)],
)
DEEP_ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))

CORPUS: dict[str, tuple[str | bytes, str]] = {
    "an empty file": ("", "syncd.yaml: is empty: a file that is to say nothing holds a comment"),
    "a top level that is a list": ("- a\n", "syncd.yaml:1: must be a mapping of keys to values, such as jobs: {...}"),
    "a top level that is a text": ("\nhello\n", "syncd.yaml:2: must be a mapping of keys to values"),
    "a duplicate key": (
        "server:\n  port: 1\n  host: h\n  port: 2\n",
        'syncd.yaml:4: the key "port" is given twice; the first is in line 2: keep one',
    ),
    "a tab": ("server:\n\tport: 1\n", "syncd.yaml:2: is not YAML: a tab: indent with spaces"),
    "a NUL": (b"server:\n  host: a\0b\n", "syncd.yaml:2: a character that YAML forbids (U+0000)"),
    "no UTF-8": (b"# caf\xe9\n", "syncd.yaml:1: is not UTF-8 text"),
    "UTF-16": ("# hello".encode("utf-16"), "syncd.yaml:1: is not UTF-8 text"),
    "half a surrogate pair": ('state: "\\ud800"\n', "syncd.yaml:1: half of a surrogate pair is not a character"),
    "an unclosed quote": ("server:\n  host: 'x\njobs:\n", "syncd.yaml:2: is not YAML: found unexpected end of stream"),
    "an unclosed bracket": ("a: [\n", "syncd.yaml:1: is not YAML"),
    "a text with a colon": ("state: a: b\n", "syncd.yaml:1: is not YAML: mapping values are not allowed here: put a"),
    "a variable inside braces": ("\nserver: {port: ${PORT}}\n", "put a text with ${...} in quotes when it stands"),
    "a Python object": ("state: !!python/object/apply:os.system [ls]\n", "syncd.yaml:1: tags such as !!str are not"),
    "a harmless tag": ("server:\n  port: !!int 5\n", "syncd.yaml:2: tags such as !!str are not used here"),
    "a billion laughs": (LAUGHS, "syncd.yaml:6: holds more than 100,000 values once its aliases are followed"),
    "aliases nested deeply": (DEEP_ALIASES, "is nested more than 50 levels deep"),
    "brackets nested deeply": ("a: " + "[" * 5000, "syncd.yaml:1: is nested more than 50 levels deep"),
    "an alias inside itself": ("a: &a [*a]\n", "syncd.yaml:1: *a stands for nothing: mark a complete value before it"),
    "an alias of nothing": ("\na: *b\n", "syncd.yaml:2: *b stands for nothing"),
    "a second document": ("a: 1\n---\nb: 1\n", "syncd.yaml:2: a second document starts here: remove the line ---"),
    "a key that is a list": ("? [a]\n: b\n", "syncd.yaml:1: a key must be a text"),
    "a key with a bell": ('"a\\a": b\n', "syncd.yaml:1: a key holds a character that cannot be printed"),
    "an escape beyond Unicode": ('a: "\\UFFFFFFFF"\n', "syncd.yaml:1: is not YAML"),
    "a hundred thousand values": ("a: [" + "1," * 100_000, "syncd.yaml:1: the file holds more than 100,000 values"),
    "more than 1 MiB": ("#" * (1024 * 1024 + 1), "syncd.yaml: is larger than 1 MiB"),
}


@pytest.mark.parametrize(("text", "expected"), CORPUS.values(), ids=list(CORPUS))
def test_a_surprising_file_is_refused_at_its_line(faults_of: Faults, text: str | bytes, expected: str) -> None:
    """Bombs, broken encodings and broken syntax each give a fault that says where and what."""
    faults = faults_of(text)
    assert any(expected in fault for fault in faults), faults


def test_a_byte_order_mark_changes_nothing(settings_of: Load) -> None:
    """Editors on Windows write one."""
    assert settings_of(b"\xef\xbb\xbfserver: {port: 1}\r\n").server.port == 1


def test_an_alias_stands_for_its_value(settings_of: Load, valid: str) -> None:
    """Anchors may be used, within bounds."""
    text = valid.replace("[product]", "&columns [product]") + "    metadata_columns: *columns\n"
    assert settings_of(text).jobs["orders"].metadata_columns == ("product",)


@pytest.mark.parametrize("text", ["010", "12:30", "1_000", "2026-01-01", "yes", "off", ".inf", ".nan", "1e999", "0x1F"])
def test_what_would_lose_something_as_a_number_stays_text(text: str) -> None:
    """Postal codes, times of day and the like are what was written."""
    assert core_schema(text) == text


def test_the_core_schema_reads_plain_values() -> None:
    """Whole numbers, numbers, true, false and null are what they look like."""
    texts = ["0", "-5", "10", "1.5", "1e3", "true", "False", "null", "~", ""]
    assert [core_schema(text) for text in texts] == [0, -5, 10, 1.5, 1000.0, True, False, None, None, None]
    assert [type(core_schema(text)) for text in ("1", "1.0", "true")] == [int, float, bool]


def test_a_leading_zero_survives_in_a_filter(settings_of: Load, valid: str) -> None:
    """A filter compares with the text 010, not with the number 10 or 8."""
    text = valid + "    filters: [{column: code, op: eq, value: 010}]\n"
    assert settings_of(text).jobs["orders"].filters[0].value == "010"


def _loads_or_refuses(content: bytes) -> None:
    def options_for(_kind: str, _type: str) -> type[BaseModel]:
        return JobDefinition

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "syncd.yaml")
        path.write_bytes(content)
        try:
            assert isinstance(load(path, {"A": "1", "B": "[x"}, options_for), Settings)
        except ConfigError as error:
            assert error.faults
            assert all(fault.where and fault.message and "pydantic" not in fault.message for fault in error.faults)


WORDS = """
    state databases knowledge_bases jobs server limits type url embedder chunking host port a b source_table kb_name
    interval filters deletes mode column op value content_columns lookback initial sqlite:///x ${A} ${B} ${C} $$ 010
    1.5 true ~ '' a.b DAILY <<
"""
_words = st.sampled_from(WORDS.split())
_values = st.recursive(
    _words | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=5),
    max_leaves=25,
)


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_flow(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "~"
    return f'"{value}"' if isinstance(value, str) and "$" in value else f"{value} "


@settings(max_examples=300, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(_values)
@example({"jobs": {"a": {"filters": [{"value": [{}]}]}}})
@example({"databases": {"a": {"type": ["x"]}}, "knowledge_bases": {"b": {"embedder": "x"}}})
def test_any_value_is_settings_or_faults(value: object) -> None:
    """Whatever the keys and values are, loading gives Settings or a ConfigError with faults in plain words."""
    _loads_or_refuses(_flow(value).encode())


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.text(alphabet=st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,$~ \n\t\\01x\ud7ff\u2028\ufeff"), max_size=40))
@example("%YAML 1.1\n---\na: yes")
@example("%TAG ! !\n---\n!a b")
@example("? a\n")
@example("&a\n")
@example("a: |9\n b")
def test_any_text_is_settings_or_faults(text: str) -> None:
    """However YAML's own characters follow one another, no other exception comes out."""
    _loads_or_refuses(text.encode())


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.binary(max_size=60))
def test_any_bytes_are_settings_or_faults(content: bytes) -> None:
    """A file that is no text at all is refused like any other."""
    _loads_or_refuses(content)
