"""Opening a state makes it, brings it up to date, or refuses it; never anything between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from syncd.errors import Unavailable
from syncd.model.job import Job, Origin
from syncd.state import State, schema
from tests.integration.state.values import NOW, definition, together


@contextmanager
def _raw(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_migrations_make_exactly_the_tables_that_the_program_uses(new_url: str) -> None:
    state = State.open(new_url)
    state.ping()
    state.close()
    with _raw(new_url) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_heads() == (schema.REVISION,)


def test_the_newest_migration_is_the_one_that_the_program_expects() -> None:
    config = Config()
    config.set_main_option("script_location", "syncd.state:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]


def test_opening_a_second_time_changes_nothing(state: State, job: Job, state_url: str) -> None:
    again = State.open(state_url)
    assert again.jobs.list() == [job]
    again.close()
    assert state.jobs.list() == [job]


OPENER = """
import sys
from syncd.state import State
from syncd.model.job import Origin
from tests.integration.state.values import NOW, definition
print("ready", flush=True)
sys.stdin.readline()
state = State.open(sys.argv[1])
state.jobs.put(sys.argv[2], definition(), Origin.FILE, NOW)
state.close()
"""


def test_processes_that_start_at_once_share_one_new_state(new_url: str) -> None:
    names = ["a", "b", "c"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, new_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * len(names)
    state = State.open(new_url)
    assert [job.name for job in state.jobs.list()] == names
    state.close()


def test_threads_that_start_at_once_share_one_new_state(new_url: str) -> None:
    opened = together(8, lambda _: State.open(new_url))
    job = opened[0].jobs.put("orders", definition(), Origin.FILE, NOW)
    assert [state.jobs.list() for state in opened] == [[job]] * 8
    for state in opened:
        state.close()


def test_a_state_from_the_future_is_refused_and_left_alone(new_url: str) -> None:
    state = State.open(new_url)
    job = state.jobs.put("orders", definition(), Origin.FILE, NOW)
    with _raw(new_url) as connection:
        connection.execute(sa.update(schema.version).values(version_num="9999"))
    with pytest.raises(Unavailable, match=r"written by a newer syncd.*9999.*install that version again"):
        State.open(new_url)
    with pytest.raises(Unavailable, match="no longer has this program's schema"):
        state.ping()
    state.close()
    with _raw(new_url) as connection:
        assert connection.scalar(sa.select(schema.version.c.version_num)) == "9999"
        assert connection.scalar(sa.select(schema.jobs.c.name)) == job.name


def test_a_migration_that_fails_leaves_nothing_behind(postgres_url: str) -> None:
    with _raw(postgres_url) as connection:
        connection.execute(sa.text("CREATE TABLE events (id integer)"))
    with pytest.raises(Unavailable, match=r"events.*give syncd a database of its own"):
        State.open(postgres_url)
    with _raw(postgres_url) as connection:
        assert sa.inspect(connection).get_table_names() == ["events"]


def test_a_database_that_went_away_is_unavailable(postgres_url: str) -> None:
    state = State.open(postgres_url)
    state.ping()
    server = sa.make_url(postgres_url)
    admin = sa.create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {server.database} WITH ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{server.database}'"
        )
        with pytest.raises(Unavailable, match="cannot be used"):
            state.ping()
        with pytest.raises(Unavailable):
            state.jobs.put("a", definition(), Origin.FILE, NOW)
        connection.exec_driver_sql(f"ALTER DATABASE {server.database} WITH ALLOW_CONNECTIONS true")
    admin.dispose()
    state.ping()
    assert state.jobs.put("a", definition(), Origin.FILE, NOW).version == 1
    state.close()


def test_a_role_that_may_not_make_tables_is_told_so(postgres_url: str) -> None:
    name = sa.make_url(postgres_url).database
    with _raw(postgres_url) as connection:
        connection.exec_driver_sql(f"CREATE ROLE reader_{name} LOGIN")
    poor = sa.make_url(postgres_url).set(username=f"reader_{name}").render_as_string(hide_password=False)
    with pytest.raises(Unavailable, match=r"permission denied.*may create tables"):
        State.open(poor)
    with _raw(postgres_url) as connection:
        connection.exec_driver_sql(f"DROP ROLE reader_{name}")
