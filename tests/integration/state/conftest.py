"""A state in each of the two databases, and what the tests put into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.model.job import Job, Origin
from syncd.state import State, schema
from tests import services
from tests.integration.state.values import NOW, definition


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a state may be made: a file that is not there yet, an empty PostgreSQL database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'syncd.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def _made_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "syncd.db"
    State.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def _made_database(postgres_server: sa.URL) -> Iterator[str]:
    with services.postgres_database(postgres_server) as url:
        State.open(url.render_as_string(hide_password=False)).close()
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A state that was just made, or is as if it were: making one anew for every test would take most of the time."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('_made_file'), tmp_path / 'syncd.db')}"
    url = str(request.getfixturevalue("_made_database"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(schema.metadata.tables)} RESTART IDENTITY")
    engine.dispose()
    return url


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """An empty state."""
    opened = State.open(state_url)
    yield opened
    opened.close()


@pytest.fixture
def job(state: State) -> Job:
    """A job in the empty state."""
    return state.jobs.put("orders", definition(), Origin.FILE, NOW)
