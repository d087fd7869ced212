"""What a daemon cannot start with, and what it lives through."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.cli.configuration import watched
from syncd.cli.failure import exit_code
from syncd.daemon import Daemon
from syncd.errors import ConfigError, InUse, SyncdError, Unavailable
from syncd.model.run import RunStatus
from syncd.parts import Parts
from syncd.plugins import Plugins
from tests.daemon import serving
from tests.engine import Engine
from tests.waiting import until
from tests.world import World


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 50)
    return made


def refused(world: World) -> SyncdError:
    """Start a daemon that must not start, and return why."""
    plugins = Plugins()
    with pytest.raises(SyncdError) as caught:
        Daemon(watched(world.config, plugins), plugins).serve()
    return caught.value


def test_a_knowledge_base_that_somebody_else_owns_is_refused_by_name(world: World) -> None:
    with Engine.of(world) as engine, engine.parts.target("kb_one"):
        error = refused(world)
        assert isinstance(error, InUse)
        assert exit_code(error) == 3
        assert f"{world.folder}/kb is in use by role test" in str(error)
    with serving(world) as daemon:
        assert daemon.first().status is RunStatus.COMPLETED


def test_a_port_that_is_taken_is_refused(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        world.rewrite(("port: 0", f"port: {port}"))
        error = refused(world)
    assert isinstance(error, Unavailable)
    assert exit_code(error) == 3
    assert f"port {port}" in str(error)
    assert not (world.folder / "kb").exists()


def test_a_state_of_a_newer_program_is_refused(world: World) -> None:
    world.sync()
    with closing(sqlite3.connect(world.folder / "state.db")) as connection, connection:
        connection.execute("UPDATE syncd_version SET version_num = '9999'")
    error = refused(world)
    assert isinstance(error, Unavailable)
    assert exit_code(error) == 3
    assert "newer syncd" in str(error)


def test_a_faulty_configuration_is_refused_with_every_fault(world: World) -> None:
    world.rewrite(("{port: 0}", "{prot: 0}"), ("interval: 1 DAY", "interval: often"))
    error = refused(world)
    assert isinstance(error, ConfigError)
    assert exit_code(error) == 2
    assert len(error.faults) == 2
    assert all(fault.where.startswith(f"{world.config}:") for fault in error.faults)


def test_it_lives_through_a_state_that_is_away_for_a_while(
    world: World, postgres_url: str, postgres_server: sa.URL, caplog: pytest.LogCaptureFixture
) -> None:
    world.rewrite((world.state_url, postgres_url))
    name = sa.make_url(postgres_url).database
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with serving(world, state_url=postgres_url) as daemon:
        assert daemon.first().status is RunStatus.COMPLETED
        world.fill(51, 60)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.exec_driver_sql(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            try:
                until(lambda: "syncd goes on when this does" in caplog.text and "runs wait" in caplog.text)
                assert daemon.client.get("/healthz").status_code == 200
                assert daemon.client.get("/readyz").status_code == 503
            finally:
                connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        until(lambda: daemon.client.get("/readyz").status_code == 200)
        run = daemon.run()
        assert (run.status, run.counts.embedded) == (RunStatus.COMPLETED, 10)
        assert not daemon.ended.done()
    world.assert_in_step()


def test_parts_close_all_that_can_be_closed_though_one_fails(world: World) -> None:
    world.rewrite(
        (
            "jobs:",
            f"  kb_two: {{type: chroma, path: {world.folder}/kb2, embedder: {{type: hashing}}}}\njobs:",
        )
    )
    with Engine.of(world) as engine:

        def fail() -> None:
            engine.plugins.before.clear()
            raise OSError(os.strerror(5))

        for name in ("kb_one", "kb_two"):
            with engine.parts.target(name):
                pass
        engine.plugins.before["store.close"] = fail
        with pytest.raises(OSError, match="Input/output"):
            engine.parts.close()
        assert (world.folder / "kb.lock").read_text() == ""
        engine.parts.close()


def test_unused_parts_are_free_for_others_after_a_close(world: World) -> None:
    with Engine.of(world) as engine:
        engine.run()
        engine.parts.close()
        settings = watched(world.config, Plugins()).load()
        other = Parts(settings, Plugins(), {"role": "other"})
        assert other.search("kb_one", "anything", 1, {}) != []
        other.close()
