"""Every command explains itself, at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time

import pytest
import typer.core
import typer.main

from syncd.cli.app import app
from tests.integration.cli.conftest import Shop

HEAVY = ("torch", "sentence_transformers", "transformers", "chromadb", "pandas", "fastapi", "sqlalchemy")
MODEL = ("torch", "sentence_transformers", "transformers", "openvino", "onnxruntime")
UNASKED = ("psycopg", "pymysql", "alembic")
SERVING = ("chromadb", "fastapi", "uvicorn", "apscheduler")
_REPORT = "import sys; sys.argv[0] = 'syncd'; import atexit; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); from syncd.cli import main; main()"


def commands() -> dict[str, typer.core.TyperCommand | typer.core.TyperGroup]:
    """Return every command by its full name."""
    found = {"syncd": typer.main.get_command(app)}
    for name, command in list(found["syncd"].commands.items()):  # type: ignore[attr-defined]
        found[f"syncd {name}"] = command
        for inner, inner_command in getattr(command, "commands", {}).items():
            found[f"syncd {name} {inner}"] = inner_command
    return found  # type: ignore[return-value]  # typer's own base class is private


COMMANDS = commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_whose_command_and_options_exist(name: str) -> None:
    epilog = COMMANDS[name].epilog or ""
    lines = [line.strip() for line in epilog.splitlines() if line.startswith("  ")]
    assert lines, "there is no example"
    for line in lines:
        words = shlex.split(line.partition(" > ")[0], comments=True)
        command, rest = _called(words)
        known = {option for parameter in COMMANDS[command].params for option in parameter.opts} | {"--help"}
        given = {word for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= known, f"{line}: {given - known} unknown to {command}"
        assert command.startswith(name)


def _called(words: list[str]) -> tuple[str, list[str]]:
    depth = max(n for n in range(1, min(len(words), 3) + 1) if " ".join(words[:n]) in COMMANDS)
    return " ".join(words[:depth]), words[depth:]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_configuration_and_prints_json_where_it_prints_data(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    without_config = {"syncd", "syncd demo", "syncd init", "syncd config", "syncd config schema", "syncd tokens"}
    without_config |= {"syncd dead-letters", "syncd kb", "syncd torture"}
    assert ("--config" in options) == (name not in without_config)
    prints_data = {
        "sync",
        "plan",
        "verify",
        "why",
        "search",
        "check",
        "status",
        "jobs",
        "runs",
        "jobs show",
        "config show",
        "tokens list",
        "kb list",
        "torture",
        "backup",
        "restore",
    }
    prints_data |= {
        f"jobs {command}" for command in ("create", "pause", "resume", "approve", "cancel", "trigger", "history")
    }
    prints_data |= {f"dead-letters {command}" for command in ("list", "show", "replay")}
    assert ("--json" in options) == (name.removeprefix("syncd ") in prints_data)


def _modules(shop: Shop, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _REPORT, *arguments], cwd=shop.folder, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"'([^']+)'", done.stderr.splitlines()[-1]))


def test_help_loads_nothing_heavy(shop: Shop) -> None:
    assert not _modules(shop, "--help").intersection(HEAVY)


def _with_a_model(shop: Shop) -> None:
    shop.configure(
        (shop.folder / "syncd.yaml").read_text().replace("hashing", "sentence-transformers, model: all-MiniLM-L6-v2")
    )


@pytest.mark.parametrize("arguments", [("check",), ("config", "schema"), ("config", "show"), ("status",)])
def test_commands_that_look_load_no_model(shop: Shop, arguments: tuple[str, ...]) -> None:
    _with_a_model(shop)
    assert not _modules(shop, *arguments).intersection(MODEL)


@pytest.mark.parametrize("found", ["shop", "synced_shop"])
def test_a_check_loads_neither_server_nor_store_nor_other_databases_drivers(
    found: str, request: pytest.FixtureRequest
) -> None:
    """Before the first run and after it."""
    assert not _modules(request.getfixturevalue(found), "check").intersection((*UNASKED, *SERVING))


def test_a_run_that_finds_nothing_to_embed_loads_no_model(shop: Shop) -> None:
    _with_a_model(shop)
    shop.execute("DELETE FROM orders")
    assert not _modules(shop, "sync", "orders").intersection(MODEL)


def test_a_daemon_is_ready_before_it_loads_a_model(shop: Shop) -> None:
    """Its job waits for its time."""
    _with_a_model(shop)
    config = (shop.folder / "syncd.yaml").read_text()
    shop.configure(config.replace("interval:", "start_time: 2099-01-01T00:00:00Z\n    interval:"))
    with shop.started("run", program=(sys.executable, "-c", _REPORT)) as daemon:
        daemon.wait_for("syncd is ready")
        daemon.interrupt()
        # Each line of the log is a document of its own; the last line is no such line.
        loaded = set(re.findall(r"'([^']+)'", daemon.wait_for("'syncd.daemon'")))
    assert not loaded.intersection((*MODEL, "psycopg", "pymysql", "pandas"))


def test_help_answers_at_once(shop: Shop) -> None:
    took = []
    for _ in range(3):
        begun = time.process_time_ns(), time.perf_counter()
        assert shop.syncd("--help").returncode == 0
        took.append(time.perf_counter() - begun[1])
    # About 0.25 s where nothing else runs; the bound leaves room for a busy machine.
    assert min(took) < 2.0


def test_a_module_run_and_the_version(shop: Shop) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "--version"], cwd=shop.folder, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def test_wrong_usage_exits_with_2(shop: Shop) -> None:
    assert shop.syncd("snyc").returncode == 2
    assert shop.syncd("runs", "--limit", "many").returncode == 2
