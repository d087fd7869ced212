"""The generated files say what the models say, and the schema accepts what the program accepts."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from syncd.config.load import load
from syncd.config.schema import json_schema
from syncd.plugins import Plugins

ROOT = Path(__file__).parents[2]
EXAMPLES = [ROOT / "config" / "syncd.yaml", ROOT / "config" / "jobs" / "docs.yaml"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema(Plugins(offered=()).parts())


def _read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def _is_valid(value: object, schema: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/config.md",
        "config/syncd.schema.json",
        "docs/guarantees.md",
        "docs/performance.md",
        "docs/benchmarks.md",
    ],
)
def test_generated_files_are_up_to_date(name: str) -> None:
    """Run `python docs/generate.py` when this fails."""
    generated = runpy.run_path(str(ROOT / "docs" / "generate.py"))["generated"]()
    assert (ROOT / name).read_text(encoding="utf-8") == generated[ROOT / name]


def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    """It meets draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_schema_accepts_the_example_and_refuses_a_misspelt_key(path: Path, schema: dict[str, Any]) -> None:
    """At the top, in a job and in a part's options."""
    example = _read(path)
    assert _is_valid(example, schema)
    assert not _is_valid({**example, "job": {}}, schema)
    if path.name == "docs.yaml":
        example["jobs"]["sync_python_docs"]["intervall"] = "DAILY"
    else:
        example["knowledge_bases"]["python_docs"]["chunking"]["max_token"] = 1
    assert not _is_valid(example, schema)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({"databases": {"a": "sqlite://"}}, True),
        ({"databases": {"a": {"url": "sqlite://"}}}, True),
        ({"databases": {"a": {"type": "sql", "url": "${URL}"}}}, True),
        ({"databases": {"a": {}}}, False),
        ({"databases": {"a": {"url": "sqlite://", "max_holt": "1 DAY"}}}, False),
        ({"databases": {"a b": "sqlite://"}}, False),
        ({"knowledge_bases": {"a": {"type": "chroma"}}}, False),
        ({"knowledge_bases": {"a": {"type": "other", "embedder": {"type": "hashing"}}}}, False),
        ({"server": {"port": "${PORT}"}}, True),
        ({"server": {"port": "eighty"}}, False),
        ({"server": {"port": 80}, "limits": {"max_active_jobs": 0}}, False),
        ({"jobs": None}, True),
    ],
)
def test_the_schema_knows_the_forms(value: object, valid: bool, schema: dict[str, Any]) -> None:
    """Short and long databases, variables where numbers are wanted, types with their own options."""
    assert _is_valid(value, schema) is valid


def test_the_example_loads() -> None:
    """The example fits the real parts as it stands, with no variable set."""
    settings = load(ROOT / "config", {}, Plugins(offered=()).options_for)
    assert list(settings.jobs) == ["sync_python_docs"]
    assert settings.knowledge_bases["python_docs"].embedder.type == "sentence-transformers"


def test_the_commented_out_lines_of_the_example_load_too(tmp_path: Path) -> None:
    """Whoever takes the comment signs away gets a configuration that loads."""
    for path in EXAMPLES:
        lines = [_uncommented(line) for line in path.read_text().splitlines()]
        target = tmp_path / path.relative_to(ROOT / "config")
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n".join(lines).replace("kb_name: orders", "kb_name: python_docs"))
    environ = {"CRM_PASSWORD": "a", "SHOP_PASSWORD": "b"}
    settings = load(tmp_path, environ, Plugins(offered=()).options_for)
    assert list(settings.jobs) == ["sync_python_docs", "sync_orders"]
    assert list(settings.databases) == ["demo", "crm", "shop"]
    assert settings.limits.keep_runs == 1000


def _uncommented(line: str) -> str:
    """Take the comment sign off a line that holds a key, where it is no other choice for one that is given."""
    body = line.strip().removeprefix("# ")
    is_example = line.strip().startswith("# ") and body.lstrip().partition(":")[0].strip(" -{").isidentifier()
    if not is_example or body.startswith(("state:", "url:", "yaml")):
        return line
    return line.replace("# ", "", 1)
