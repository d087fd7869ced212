"""A source that breaks off or falls silent in mid-read is an error and another try, and never an end of data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.model.run import RunStatus
from tests.engine import Engine
from tests.proxy import Proxy, proxy
from tests.world import World

ROWS = 250


@dataclass(frozen=True)
class Network:
    """A source database behind a proxy, and how to end every session on it."""

    world: World
    proxy: Proxy
    end_sessions: Callable[[], None]


@contextmanager
def behind(folder: Path, direct: str, socket: str, kill: Callable[[sa.Connection, str], None]) -> Iterator[Network]:
    """Fill a table, and let the configuration reach it through a proxy."""
    world = World.make(folder, direct)
    world.fill(1, ROWS, length=60)
    url = sa.make_url(direct)
    with proxy(socket) as made:
        kept = {name: value for name, value in url.query.items() if name == "charset"}
        proxied = url.set(host="127.0.0.1", port=made.port, query=kept)
        world.rewrite(
            (direct, f'{{url: "{proxied.render_as_string(hide_password=False)}", statement_timeout: 2 SECONDS}}'),
            ("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"),
        )
        admin = sa.create_engine(direct, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

        def end_sessions() -> None:
            with admin.connect() as connection:
                kill(connection, str(url.database))

        yield Network(world, made, end_sessions)


def end_postgres(connection: sa.Connection, database: str) -> None:
    """End every other session of the database."""
    connection.execute(
        sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
        ),
        {"name": database},
    )


def end_mariadb(connection: sa.Connection, database: str) -> None:
    """End every other session of the database."""
    others = sa.text("SELECT id FROM information_schema.processlist WHERE db = :name AND id <> CONNECTION_ID()")
    for number in connection.scalars(others, {"name": database}).all():
        connection.exec_driver_sql(f"KILL {number}")


@pytest.fixture(params=["postgres", "mariadb"])
def network(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A table of 250 rows in three windows on each kind of server, whose statements may take two seconds."""
    monkeypatch.setattr("syncd.postgres.MARGIN", timedelta(seconds=0.5))
    direct = str(request.getfixturevalue(f"{request.param}_url"))
    query = sa.make_url(direct).query
    if request.param == "postgres":
        socket, kill = f"{query['host']}/.s.PGSQL.5432", end_postgres
    else:
        socket, kill = str(query["unix_socket"]), end_mariadb
    with behind(tmp_path, direct, socket, kill) as made:
        yield made


def assert_nothing_was_passed_over(engine: Engine) -> None:
    """Every row at or below the watermark is held, so that whoever goes on from it misses none."""
    checkpoint = engine.state.checkpoints.get(engine.job.id)
    value = checkpoint.watermark.value if checkpoint else None
    assert value is None or isinstance(value, int)
    wanted = [id_ for id_, (_, _, metadata) in engine.world.expected().items() if metadata["f"] <= (value or 0)]
    with engine.parts.target("kb_one") as target:
        assert target.knowledge_base.fingerprints(wanted).keys() == set(wanted)


def broken_off_and_again(network: Network, arm: Callable[[], None]) -> Engine:
    """Run while the network fails once, and return what ran; the network heals before the next attempt."""
    with Engine.of(network.world) as engine:

        def heal() -> None:
            network.proxy.heal()
            assert_nothing_was_passed_over(engine)

        engine.on_pause = heal
        arm()
        run = engine.run()
        assert network.proxy.struck == 1
        assert (run.status, run.attempt, len(engine.pauses)) == (RunStatus.COMPLETED, 2, 1)
        # What the first attempt wrote is found there by the second.
        assert run.counts.embedded == ROWS
    network.world.assert_in_step()
    return engine


@pytest.mark.parametrize("answered", [0, 60_000])
def test_a_connection_that_is_reset_after_so_many_bytes(network: Network, answered: int) -> None:
    broken_off_and_again(network, lambda: network.proxy.after(answered, network.proxy.reset))


def test_a_session_that_the_server_ends_in_the_middle_of_a_window(network: Network) -> None:
    broken_off_and_again(network, lambda: network.proxy.after(60_000, network.end_sessions))


@pytest.mark.timeout(60)
def test_a_server_that_lives_and_says_nothing_more_is_waited_for_as_long_as_a_statement_may_take(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    broken_off_and_again(network, lambda: network.proxy.after(60_000, network.proxy.silence))
    [failed] = [message for message in caplog.messages if message.startswith("attempt 1 failed")]
    assert "did not answer" in failed


@pytest.mark.timeout(60)
def test_a_silent_server_does_not_keep_a_run_beyond_its_own_time(network: Network) -> None:
    """The attempt's limit bounds each statement, where it is the shorter one."""
    network.world.rewrite(
        ("statement_timeout: 2 SECONDS", "statement_timeout: 10 MINUTES"),
        ("interval: 1 DAY", "interval: 1 DAY\n    timeout: 3 SECONDS\n    max_attempts: 1"),
    )
    with Engine.of(network.world) as engine:
        network.proxy.after(60_000, network.proxy.silence)
        run = engine.run()
        assert run.status in {RunStatus.FAILED, RunStatus.TIMED_OUT}
        assert run.seconds is not None
        assert run.seconds < 20
        assert_nothing_was_passed_over(engine)
    network.proxy.heal()
    network.world.rewrite(("timeout: 3 SECONDS", "timeout: 5 MINUTES"))
    assert network.world.sync().status is RunStatus.COMPLETED
    network.world.assert_in_step()
