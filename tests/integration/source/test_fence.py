"""The watermark never passes a row that a running transaction could still add."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from syncd.model.run import RunOptions
from syncd.source.database import Database, SqlOptions
from syncd.source.sql import SqlSource
from tests import services
from tests.tables import execute, job, keys, read, session, source
from tests.waiting import until

TABLES = {
    "postgres": "CREATE TABLE t (id SERIAL PRIMARY KEY, f timestamptz DEFAULT now(), body TEXT)",
    "mariadb": "CREATE TABLE t (id INTEGER AUTO_INCREMENT PRIMARY KEY, f TIMESTAMP(6) DEFAULT NOW(6), body TEXT)",
}

WAITING = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kind of a server that has transactions, and the URL of an empty database on it."""
    return request.param, request.getfixturevalue(f"{request.param}_url")


def test_a_row_committed_late_is_read_by_the_next_pass_without_any_lookback(server: tuple[str, str]) -> None:
    kind, url = server
    execute(url, TABLES[kind])
    with session(url) as held, source(url, lookback="1 SECOND") as opened:
        held.exec_driver_sql("INSERT INTO t (body) VALUES ('late')")
        execute(url, "INSERT INTO t (body) VALUES ('early')")
        records, _, watermark = read(opened)
        assert [record.text for record in records] == ["body: early"]
        held.commit()
        records, _, _ = read(opened, watermark)
    assert "body: late" in [record.text for record in records]


def test_a_transaction_that_only_asked_the_time_holds_the_fence(postgres_url: str) -> None:
    execute(postgres_url, TABLES["postgres"])
    with session(postgres_url) as held, source(postgres_url, lookback="1 SECOND") as opened:
        stamp = held.exec_driver_sql("SELECT now()").scalar_one()
        # Longer than the margin that the fence keeps by itself.
        execute(postgres_url, "INSERT INTO t (body) VALUES ('early')", "SELECT pg_sleep(1.2)")
        _, _, watermark = read(opened)
        assert watermark.value is not None
        assert watermark.value < stamp
        assert watermark.seen is not None
        held.exec_driver_sql("INSERT INTO t (body) VALUES ('late')")
        held.commit()
        records, _, _ = read(opened, watermark)
    assert [record.text for record in records] == ["body: late", "body: early"]


def test_a_prepared_transaction_holds_the_watermark_still(postgres_server: sa.URL, postgres_url: str) -> None:
    with session(postgres_url) as probe:
        if probe.exec_driver_sql("SHOW max_prepared_transactions").scalar_one() == "0":
            pytest.fail("the test server must allow prepared transactions")
    execute(postgres_url, TABLES["postgres"], "INSERT INTO t (f, body) VALUES (now() - interval '1 hour', 'old')")
    with source(postgres_url, lookback="1 SECOND") as opened:
        _, _, before = read(opened)
        with session(postgres_url) as held:
            held.exec_driver_sql("INSERT INTO t (body) VALUES ('late')")
            held.exec_driver_sql("PREPARE TRANSACTION 'p'")
            held.commit()
        execute(postgres_url, "SELECT pg_sleep(0.1)", "INSERT INTO t (body) VALUES ('early')")
        records, _, watermark = read(opened, before)
        assert "body: early" in [record.text for record in records]
        assert watermark.value == before.value
        engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT PREPARED 'p'")
        records, _, _ = read(opened, watermark)
    assert "body: late" in [record.text for record in records]


def test_sequence_values_committed_out_of_order_are_all_read(server: tuple[str, str]) -> None:
    kind, url = server
    execute(url, TABLES[kind])
    with session(url) as first, source(url, filter_column="id", lookback=0) as opened:
        first.exec_driver_sql("INSERT INTO t (body) VALUES ('first')")
        execute(url, "INSERT INTO t (body) VALUES ('second')")
        records, _, watermark = read(opened)
        assert [record.text for record in records] == ["body: second"]
        records, _, watermark = read(opened, watermark)
        assert watermark.value is None, "the first transaction still runs, so nothing is settled"
        first.commit()
        records, _, watermark = read(opened, watermark)
    assert [record.text for record in records] == ["body: first", "body: second"]


@pytest.fixture
def settled(server: tuple[str, str]) -> Iterator[tuple[str, SqlSource]]:
    """A table with an integer filter column whose rows have long been committed."""
    kind, url = server
    execute(url, TABLES[kind], "INSERT INTO t (body) VALUES ('a'), ('b')")
    with source(url, filter_column="id", lookback=0) as opened:
        yield url, opened


def test_an_integer_watermark_moves_at_once_where_nothing_else_runs(settled: tuple[str, SqlSource]) -> None:
    _, opened = settled
    _, _, watermark = read(opened)
    assert watermark.value == 2
    records, _, _ = read(opened, watermark)
    assert keys(records) == [2]


def test_a_text_watermark_moves_at_the_end_of_a_pass(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f TEXT, body TEXT)",
        "INSERT INTO t VALUES (1, 'a', 'x'), (2, 'B', 'y'), (3, 'c', 'z')",
    )
    with source(postgres_url) as opened:
        _, _, watermark = read(opened)
        with session(postgres_url) as other:
            assert watermark.value == other.exec_driver_sql("SELECT max(f) FROM t").scalar_one()
        records, _, _ = read(opened, watermark)
    assert len(records) == 1


def test_an_idle_transaction_lets_go_of_the_fence_after_the_maximum_hold(server: tuple[str, str]) -> None:
    kind, url = server
    execute(url, TABLES[kind])
    opened = SqlSource(SqlOptions(url=SecretStr(url), max_hold="2 SECONDS"), job(lookback="1 SECOND"))
    with session(url) as held:
        held.exec_driver_sql("INSERT INTO t (body) VALUES ('forgotten')")
        execute(url, "DO SLEEP(5.1)" if kind == "mariadb" else "SELECT pg_sleep(3.1)")
        execute(
            url,
            "INSERT INTO t (f, body) SELECT {} - INTERVAL {}, 'early'".format(
                *(("NOW(6)", "2500000 MICROSECOND") if kind == "mariadb" else ("now()", "'1.5 s'"))
            ),
        )
        current = opened.begin(None, RunOptions())
        assert any("open for more than" in warning for warning in current.warnings)
        [window] = opened.windows(current)
        assert window.watermark.value == window.last
    opened.close()


def test_a_role_that_cannot_see_other_sessions_is_told_so(postgres_server: sa.URL, postgres_url: str) -> None:
    name = "blind_" + str(sa.make_url(postgres_url).database)
    execute(postgres_url, TABLES["postgres"], f"CREATE ROLE {name} LOGIN PASSWORD 'p'", f"GRANT SELECT ON t TO {name}")
    try:
        blind = sa.make_url(postgres_url).set(username=name, password="p").render_as_string(hide_password=False)
        with session(postgres_url), source(blind) as opened, session(postgres_url) as other:
            other.exec_driver_sql("SELECT 1")
            assert any("pg_read_all_stats" in warning for warning in opened.begin(None, RunOptions()).warnings)
    finally:
        execute(postgres_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_mariadb_role_without_process_is_told_so(mariadb_url: str) -> None:
    name = "blind_" + str(sa.make_url(mariadb_url).database)
    execute(mariadb_url, TABLES["mariadb"], f"CREATE USER {name}@localhost", f"GRANT SELECT ON t TO {name}@localhost")
    try:
        blind = sa.make_url(mariadb_url).set(username=name).render_as_string(hide_password=False)
        with source(blind) as opened:
            assert any("GRANT PROCESS" in warning for warning in opened.begin(None, RunOptions()).warnings)
    finally:
        execute(mariadb_url, f"DROP USER {name}@localhost")


def test_a_session_that_is_not_tracked_is_told_of(postgres_url: str) -> None:
    execute(postgres_url, TABLES["postgres"])
    with session(postgres_url) as other, source(postgres_url) as opened:
        other.exec_driver_sql("SET track_activities = off")
        other.commit()
        assert any("track_activities" in warning for warning in opened.begin(None, RunOptions()).warnings)


# The loop runs inside the server, which does not pause for as long as a busy Python thread may.
LOOK_ALL_THE_TIME = """
BEGIN NOT ATOMIC
    WHILE IS_USED_LOCK(DATABASE()) IS NOT NULL DO
        SELECT COUNT(*) INTO @transactions FROM information_schema.innodb_trx;
        DO SLEEP(0.01);
    END WHILE;
END
"""
LOOKING = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"


@pytest.fixture
def watched(mariadb_url: str) -> Iterator[str]:
    """A database on a server where other programs look at the transactions all the time."""
    execute(mariadb_url, TABLES["mariadb"], "INSERT INTO t (f, body) VALUES ('2020-01-01', 'old')")
    with ThreadPoolExecutor(3) as pool, session(mariadb_url) as lock:
        lock.exec_driver_sql("DO GET_LOCK(DATABASE(), 0)")
        looks = [pool.submit(execute, mariadb_url, LOOK_ALL_THE_TIME) for _ in range(3)]
        until(lambda: lock.exec_driver_sql(LOOKING).scalar_one() == len(looks))
        yield mariadb_url
        lock.exec_driver_sql("DO RELEASE_LOCK(DATABASE())")
    for look in looks:
        look.result()


def test_the_watermark_waits_while_mariadb_shows_only_an_old_list_of_transactions(watched: str) -> None:
    with session(watched) as held, source(watched) as opened:
        held.exec_driver_sql("INSERT INTO t (body) VALUES ('late')")
        current = opened.begin(None, RunOptions())
        [window] = opened.windows(current)
    assert any("shows old transactions" in warning for warning in current.warnings)
    assert window.watermark.value is None


def test_a_prepared_transaction_holds_the_watermark_after_mariadb_was_started_anew(tmp_path: Path) -> None:
    name = "kept"
    with services.mariadb_server(tmp_path) as server:
        url = server.set(database=name).render_as_string(hide_password=False)
        execute(server.render_as_string(hide_password=False), f"CREATE DATABASE {name}")
        execute(url, TABLES["mariadb"], "INSERT INTO t (f, body) VALUES ('2020-01-01', 'old')")
        # A pool would roll back, which a prepared transaction forbids.
        with pymysql.connect(user="root", unix_socket=str(server.query["unix_socket"]), database=name) as held:
            for statement in ("XA START 'p'", "INSERT INTO t (body) VALUES ('late')", "XA END 'p'", "XA PREPARE 'p'"):
                held.cursor().execute(statement)
    with services.mariadb_server(tmp_path):
        execute(url, "INSERT INTO t (body) VALUES ('early')")
        with source(url, lookback="1 SECOND") as opened:
            records, _, watermark = read(opened)
            assert [record.text for record in records] == ["body: old", "body: early"]
            assert watermark.value is None, "the transaction shows the server's start for its own"
            with pymysql.connect(user="root", unix_socket=str(server.query["unix_socket"]), autocommit=True) as other:
                other.cursor().execute("XA COMMIT 'p'")
            records, _, _ = read(opened, watermark)
    assert [record.text for record in records] == ["body: old", "body: late", "body: early"]


def test_a_statement_that_runs_for_too_long_does_not_hide_the_others(mariadb_url: str) -> None:
    execute(mariadb_url, TABLES["mariadb"])
    database = Database("db", SqlOptions(url=SecretStr(mariadb_url), max_hold="2 SECONDS"))
    with session(mariadb_url) as gate, ThreadPoolExecutor(2) as pool:
        gate.exec_driver_sql("DO GET_LOCK('gate', 0)")
        pool.submit(execute, mariadb_url, "DO GET_LOCK('gate', 60)")
        gate.exec_driver_sql("DO SLEEP(3.1)")
        pool.submit(execute, mariadb_url, "DO GET_LOCK('gate', 60)")
        until(lambda: gate.exec_driver_sql(WAITING).scalar_one() == 2)
        with database.connect() as connection:
            fence = database.dialect.fence(connection)
        gate.exec_driver_sql("DO RELEASE_LOCK('gate')")
    database.close()
    assert fence.oldest is not None
    assert any("open for more than" in warning for warning in fence.warnings)


def test_a_statement_that_ends_between_the_two_looks_leaves_its_transaction_to_the_second(mariadb_url: str) -> None:
    execute(mariadb_url, TABLES["mariadb"], "INSERT INTO t (id, body) VALUES (10, 'old')")
    answers: list[str] = []
    with session(mariadb_url) as gate, session(mariadb_url) as late, ThreadPoolExecutor(1) as pool:
        gate.exec_driver_sql("DO GET_LOCK('gate', 0)")
        insert = pool.submit(
            late.exec_driver_sql, "INSERT INTO t (id, body) SELECT 5, IF(GET_LOCK('gate', 60), 'late', '')"
        )
        until(lambda: gate.exec_driver_sql(WAITING).scalar_one() == 1)
        database = Database("db", SqlOptions(url=SecretStr(mariadb_url)))
        with database.connect() as connection:

            @sa.event.listens_for(connection, "before_cursor_execute")
            def before(_c: object, _cursor: object, statement: str, *_: object) -> None:
                answers.append(statement)
                looks = [text for text in answers if "processlist" in text or "innodb_trx" in text]
                if len(looks) == 2 and not insert.done():
                    gate.exec_driver_sql("DO RELEASE_LOCK('gate')")
                    insert.result()

            fence = database.dialect.fence(connection)
        database.close()
    assert insert.done()
    assert fence.oldest is not None


def test_a_row_from_the_future_is_read_and_does_not_poison_the_watermark(any_url: str) -> None:
    kind = "timestamptz" if "postgres" in any_url else "DATETIME"
    execute(
        any_url,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, f {kind}, body VARCHAR(20))",
        "INSERT INTO t VALUES (1, '2026-01-01 00:00:00', 'a'), (2, '9999-12-31 00:00:00', 'future')",
    )
    with source(any_url) as opened:
        records, _, watermark = read(opened)
        assert keys(records) == [1, 2]
        execute(any_url, "INSERT INTO t VALUES (3, CURRENT_TIMESTAMP, 'now')")
        records, _, _ = read(opened, watermark)
    assert 3 in keys(records)


def test_each_pass_sees_what_was_committed_since_the_last(mariadb_url: str) -> None:
    execute(mariadb_url, TABLES["mariadb"], "INSERT INTO t (body) VALUES ('a')")
    with source(mariadb_url) as opened:
        read(opened)
        execute(mariadb_url, "INSERT INTO t (body) VALUES ('b')")
        records, _, _ = read(opened)
    assert len(records) == 2, "a pooled connection must not keep an old snapshot"
