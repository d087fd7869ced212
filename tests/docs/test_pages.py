"""What the documentation names is there, and what is there is documented."""

from __future__ import annotations

import ast
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from syncd.api.app import create_app
from syncd.config.settings import Limits, Server, Settings, Webhooks
from syncd.model.job import JobDefinition
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.state import State
from syncd.telemetry import METRICS
from tests.api_services import api_services
from tests.docs.commands import known
from tests.docs.pages import PAGES, ROOT, anchors, blocks, inline_code, prose, rows

OPERATING = ROOT / "docs" / "operating.md"
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@BY_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file of the repository, and its anchor a heading of that page."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@BY_PAGE
def test_every_make_target_exists(page: Path) -> None:
    """`make x` is in the Makefile."""
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^ *|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)) <= targets


def test_every_metric_is_described_as_it_is() -> None:
    """The table holds each metric once, with its kind and its labels, and no other text names one that is not."""
    table = [row for row in rows(OPERATING, "Health and metrics") if row[0].startswith("`syncd_")]
    told = [(name.strip("`"), kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in table]
    assert told == [(metric.name, metric.kind, metric.labels) for metric in METRICS]
    named = set(re.findall(r"\bsyncd_[a-z_]+", OPERATING.read_text()))
    assert named == {metric.name for metric in METRICS}


def _now() -> datetime:
    return datetime.now(UTC)


def test_every_route_is_described(tmp_path: Path) -> None:
    """The table of routes is the OpenAPI document's, parameters included."""
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    services = api_services(state, Parts(Settings(), Plugins([]), {}), _now)
    app = create_app(services, None)
    state.close()
    routes = {
        f"{method.upper()} {path}": {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    table = {row[0].strip("`"): row[1] for row in rows(OPERATING, "Health and metrics") if "/" in row[0]}
    assert set(table) == set(routes)
    for route, parameters in routes.items():
        missing = parameters - set(re.findall(r"`(\w+)`", table[route]))
        assert missing <= {"limit", "cursor"} if route == "GET /v1/knowledge-bases" else not missing, route


def test_every_command_is_described() -> None:
    """The table of commands holds each command of the command line, and no other."""
    table = [row[0].strip("`") for row in rows(OPERATING, "Commands") if row[0].startswith("`syncd")]
    assert sorted(table) == sorted(known())


@BY_PAGE
def test_every_command_that_is_named_exists(page: Path) -> None:
    """`syncd x` in a sentence is a command."""
    messages = {row[0].strip("`") for row in rows(OPERATING, "When something is wrong")}
    for code in inline_code(page):
        if re.match(r"syncd [a-z]", code) and code not in messages:
            assert any(code == command or code.startswith(f"{command} ") for command in known()), code


def test_every_key_is_in_the_reference() -> None:
    """Each field of each model that a file may fill is a row of docs/config.md."""
    reference = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    models: dict[str, type[BaseModel]] = {
        "jobs.<name>": JobDefinition,
        "server": Server,
        "limits": Limits,
        "webhooks": Webhooks,
    }
    for kind, prefix in {
        "source": "databases.<name>",
        "knowledge_base": "knowledge_bases.<name>",
        "embedder": "knowledge_bases.<name>.embedder",
        "chunker": "knowledge_bases.<name>.chunking",
    }.items():
        for name, options in Plugins(offered=()).parts()[kind].items():  # type: ignore[index]  # a Kind
            models[f"{prefix} {name}"] = options
    for prefix, model in models.items():
        for field in model.model_fields:
            assert f"| `{prefix.partition(' ')[0]}.{field}` |" in reference


def test_every_message_in_the_troubleshooting_table_is_one_that_syncd_says() -> None:
    """The first column quotes the program; … stands for what it fills in."""
    said = [text for path in (ROOT / "syncd").rglob("*.py") for text in _texts(ast.parse(path.read_text()))]
    quoted = [
        row[0].strip("`").removesuffix(" …") for row in rows(OPERATING, "When something is wrong") if "`" in row[0]
    ]
    assert len(quoted) > 15
    assert [message for message in quoted if not any(message in text for text in said)] == []


def test_every_environment_variable_that_is_read_is_documented() -> None:
    """SYNCD_* variables for users are named; that of the fault tests is not for users."""
    read = {name for path in (ROOT / "syncd").rglob("*.py") for name in re.findall(r"SYNCD_[A-Z]+", path.read_text())}
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in read if name not in text} == {"SYNCD_FAILPOINT"}


def test_no_tracked_file_knows_this_machine() -> None:
    """No absolute path of a developer's machine and no host of a package registry is anywhere."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    forbidden = re.compile(
        r"/(?:work|home|root|Users)/[a-z]|\b(?:pypi|pythonhosted|npmjs|debian|pytorch)\.(?:org|com|io)\b|shared/desig[n]"
    )
    found = []
    for name in filter(None, listed.split("\0")):
        file = ROOT / name
        if file.is_file() and name != "LICENSE":
            text = file.read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: {match[0]}" for match in forbidden.finditer(text)]
    assert found == []


def test_examples_are_in_languages_that_are_checked() -> None:
    """Each fenced example is of a kind that some test here reads."""
    every = re.findall(r"^```(\w*)\n.*?^```$", "\n".join(p.read_text() for p in PAGES), re.MULTILINE | re.DOTALL)
    assert set(every) <= {"yaml", "sh", "json", "python", "toml", "sql", "ini", "dockerfile"}
    assert len(every) == len(blocks(*set(every)))


def _texts(tree: ast.AST) -> list[str]:
    """Return the literal texts of a module; what an f-string fills in is an ellipsis."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
    return found
