"""Fixtures that every kind of test shares: real servers, and an empty database on each."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.cli import NEW_OBJECTS
from tests import services

# As the program itself does it; an eighth of the time of the API's tests.
gc.set_threshold(NEW_OBJECTS)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Let Ctrl-C be heard by what the tests start, also where a shell that runs them in the background had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for converted models that all tests of a run share, and that is none of the user's."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        yield shared / "cache" / "syncd"


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Give the process back the logging that it had."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "uvicorn", "chromadb")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """A running PostgreSQL server."""
    with services.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[sa.URL]:
    """A running MariaDB server."""
    services.program("mariadbd", "mariadb-server")
    with services.mariadb_server() as url:
        yield url


@pytest.fixture(scope="session")
def _shared_chroma_server() -> Iterator[services.ChromaServer]:
    with services.chroma_server() as server:
        yield server


@pytest.fixture
def chroma_server(_shared_chroma_server: services.ChromaServer) -> Iterator[str]:
    """The URL of a running Chroma server, which is empty, and is emptied afterwards."""
    yield _shared_chroma_server.url
    _shared_chroma_server.empty()


@pytest.fixture
def own_chroma_server() -> Iterator[services.ChromaServer]:
    """A running, empty Chroma server of this test's own."""
    with services.chroma_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    with services.postgres_database(postgres_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def mariadb_url(mariadb_server: sa.URL) -> Iterator[str]:
    """The URL of an empty MariaDB database of this test's own."""
    with services.mariadb_database(mariadb_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database file of this test's own, not made yet."""
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on each of the three kinds of server in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))
