"""Variables in values: where they come from, how they are read, and that they are never shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.config.settings import Settings

Faults = Callable[..., list[str]]
Load = Callable[..., Settings]

CANARY = "c4nary-p4ssw0rd"


def _url(settings: Settings) -> str:
    return str(settings.databases["shop"].options.model_dump()["url"].get_secret_value())


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("x://${A}@h", {"A": "me"}, "x://me@h"),
        ("x://${A:-you}@h", {}, "x://you@h"),
        ("x://${A:-you}@h", {"A": ""}, "x://you@h"),
        ("x://${A:-}@h", {}, "x://@h"),
        ("x://${A}${B}", {"A": "1", "B": "2"}, "x://12"),
        ("x://$$h", {}, "x://$h"),
        ("x://$${A}", {"A": "me"}, "x://${A}"),
        ("x://$A", {"A": "me"}, "x://$A"),
        ("x://${A}", {"A": "${B}", "B": "no"}, "x://${B}"),
        ("'x://${A}'", {"A": "a'b"}, "x://a'b"),
        ("x://${A}", {"A": "a: [b\n# c"}, "x://a: [b\n# c"),
        ("${A}", {"A": "[x]"}, "[x]"),
        ("${A}", {"A": "12"}, "12"),
        ('{url: "${A}"}', {"A": "12"}, "12"),
        ("\n    url: ${A}", {"A": "12"}, "12"),
        ("\n    url: ${A}", {"A": "null"}, "null"),
    ],
)
def test_variables_are_put_in(
    settings_of: Load, valid: str, written: str, environ: dict[str, str], expected: str
) -> None:
    """Values go in as they are: never again as variables, and never as YAML."""
    assert _url(settings_of(valid.replace("sqlite:///shop.db", written), environ)) == expected


@pytest.mark.parametrize("written", ["${N}", '"${N}"', "'${N}'", "${M:-9000}"])
def test_a_variable_can_be_a_number(settings_of: Load, written: str) -> None:
    """A value that is one variable is read as its key takes it, in quotes or not."""
    assert settings_of(f"server:\n  port: {written}\n", {"N": "9000"}).server.port == 9000


def test_a_variable_can_be_true_or_false(settings_of: Load, valid: str) -> None:
    """The same for switches."""
    assert not settings_of(f"{valid}    enabled: ${{ON:-false}}\n").jobs["orders"].enabled


def test_a_variable_that_is_no_number_is_not_shown(faults_of: Faults) -> None:
    """What is wrong is told, the value is not."""
    assert faults_of("server:\n  port: ${N}\n", {"N": CANARY}) == [
        "syncd.yaml:2: server.port must be a whole number, not text"
    ]


def test_an_unset_variable_is_told_with_its_line(faults_of: Faults, valid: str) -> None:
    """The message names the variable and the ways to set it."""
    assert faults_of(valid.replace("shop.db", "${NAME}.db")) == [
        "syncd.yaml:2: the variable NAME is not set: set it, or NAME_FILE to a file that holds it, "
        "or write ${NAME:-default}; for a dollar sign write $$"
    ]


@pytest.mark.parametrize("written", ["${", "${}", "${1A}", "${A:default}", "${A:-${B}}", "${A-x}"])
def test_a_malformed_variable_is_told(faults_of: Faults, valid: str, written: str) -> None:
    """Nothing that looks like a variable is silently taken as text."""
    assert faults_of(valid.replace("sqlite:///shop.db", f"'{written}'"), {"A": "1"}) == [
        "syncd.yaml:2: a variable is written ${NAME} or ${NAME:-default}; for a dollar sign write $$"
    ]


@pytest.mark.parametrize(("content", "expected"), [("pw", "pw"), ("pw\n", "pw"), ("pw\n\n", "pw\n"), ("pw\r\n", "pw")])
def test_a_secret_comes_from_a_file(settings_of: Load, valid: str, tmp_path: Path, content: str, expected: str) -> None:
    """NAME_FILE names the file; one newline at its end is not part of the secret."""
    (tmp_path / "secret").write_bytes(content.encode())
    text = valid.replace("sqlite:///shop.db", "x://u:${PW}@h")
    assert _url(settings_of(text, {"PW_FILE": str(tmp_path / "secret")})) == f"x://u:{expected}@h"
    assert _url(settings_of(text, {"PW_FILE": str(tmp_path / "secret"), "PW": "own"})) == "x://u:own@h"


def test_a_variable_whose_name_ends_in_file_is_one_like_any_other(settings_of: Load, valid: str) -> None:
    """${PW_FILE} is the path itself."""
    assert _url(settings_of(valid.replace("shop.db", "${DATA_FILE}"), {"DATA_FILE": "a.db"})) == "sqlite:///a.db"


def test_a_secret_file_that_cannot_be_used_is_told(faults_of: Faults, valid: str, tmp_path: Path) -> None:
    """Missing, not UTF-8 or too large: the fault names the variable."""
    file = tmp_path / "secret"
    text = valid.replace("shop.db", "${PW}")
    environ = {"PW_FILE": str(file)}
    said = "syncd.yaml:2: the file that PW_FILE names"
    assert faults_of(text, environ) == [f"{said} cannot be read: No such file or directory"]
    file.write_bytes(b"\xff")
    assert faults_of(text, environ) == [f"{said} is not UTF-8 text"]
    file.write_bytes(b"x" * 70_000)
    assert faults_of(text, environ) == [f"{said} is larger than 64 KiB"]
    assert faults_of(text, {"PW": "\udcff"}) == ["syncd.yaml:2: the variable PW is not UTF-8 text"]


@pytest.mark.parametrize("password", [CANARY, "${PW}"])
def test_no_representation_shows_a_secret(settings_of: Load, valid: str, password: str) -> None:
    """Settings can be printed and logged (invariant 10)."""
    text = valid.replace("sqlite:///shop.db", f"postgresql://u:{password}@h/d").replace(
        "{type: hashing}", f'{{type: hashing, token: "{password}"}}'
    )
    settings = settings_of(f"state: postgresql://u:{password}@h/s\n{text}", {"PW": CANARY})
    assert CANARY in _url(settings)
    assert CANARY in settings.state.get_secret_value()
    shown = f"{settings} {settings!r} {settings.databases} {settings.knowledge_bases['goods'].embedder.options!r}"
    assert CANARY not in shown + settings.model_dump_json(include={"state", "server"})


@pytest.mark.parametrize("password", [CANARY, "${PW}"])
@pytest.mark.parametrize(
    "place",
    [
        "state: mysql://u:{}@h/d",
        "state: 'mysql://h/d?password={}'",
        "databases: {{x: {{url: 'x://u:{}@h', nothing: 1}}}}",
        "databases: {{x: {{url: ['x://u:{}@h']}}}}",
        "databases: {{x: {{url: 'x://h', max_hold: 'x://u:{}@h'}}}}",
        "databases: {{x: {{type: 'x://u:{}@h', url: 'x://h'}}}}",
        "knowledge_bases: {{x: 'x://u:{}@h'}}",
        "jobs: {{x: {{interval: 'x://u:{}@h', source_table: 'x://u:{}@h'}}}}",
        "limits: {{min_interval: 'x://u:{}@h', max_active_jobs: 'x://u:{}@h'}}",
        "'x://u:{}@h': 5",
        "jobs: {{'x://u:{}@h': 5}}",
        "state: 'x://u:{}@h",
    ],
)
def test_no_fault_shows_a_secret(faults_of: Faults, place: str, password: str) -> None:
    """Wherever a password stands, a fault about it or beside it does not repeat it (invariant 10)."""
    text = place.replace("{}", password).replace("{{", "{").replace("}}", "}")
    faults = faults_of(text, {"PW": CANARY})
    assert faults
    assert CANARY not in "\n".join(faults)
