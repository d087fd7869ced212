"""The kinds of writers that the interleavings are made of.

A case without a lookback rests on the fence alone. Where the fence by design cannot see a writer, there are two cases:
one without a lookback, which loses rows, and one with a lookback, which does not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.fault.cases import Case

NO_TIME, MINUTE = timedelta(), timedelta(minutes=1)


def _postgres(name: str, *writers: tuple[str, ...], **fields: object) -> Case:
    plain: dict[str, object] = {
        "setup": ("CREATE TABLE t (id INTEGER PRIMARY KEY, f timestamptz, body TEXT)",),
        "reset": "DELETE FROM t; INSERT INTO t VALUES (5, '2020-01-01', 'old'), (6, '2020-01-02', 'older')",
        "lookback": NO_TIME,
    }
    return Case(f"PostgreSQL, {name}", "postgres", writers=writers, **(plain | fields))  # type: ignore[arg-type]


def _postgres_numbers(name: str, *writers: tuple[str, ...], column: str = "INTEGER", **fields: object) -> Case:
    plain: dict[str, object] = {
        "setup": (
            "CREATE SEQUENCE s START 1000",
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, f {column}, body TEXT)",
        ),
        "reset": "DELETE FROM t; INSERT INTO t VALUES (5, '500', 'old'), (6, '600', 'older')",
        "lookback": 0,
        "margin": None,
    }
    return _postgres(name, *writers, **(plain | fields))


def _late(writers: tuple[tuple[str, ...], ...], stamp: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(step.replace("STAMP", stamp) for step in steps) for steps in writers)


_PLAIN = (
    ("BEGIN; INSERT INTO t VALUES (1, STAMP, 'a')", "COMMIT"),
    ("BEGIN; INSERT INTO t VALUES (2, STAMP, 'b')", "COMMIT"),
)
_LATER = (
    ("BEGIN; SELECT STAMP", "INSERT INTO t VALUES (1, STAMP, 'a'); COMMIT"),
    ("BEGIN; SELECT STAMP", "INSERT INTO t VALUES (2, STAMP, 'b'); COMMIT"),
)
_APPLICATION = (
    "SELECT set_config('app.stamp', clock_timestamp()::text, false)",
    "BEGIN; INSERT INTO t VALUES (1, current_setting('app.stamp')::timestamptz, 'a'); COMMIT",
)
_ONE = ("INSERT INTO t VALUES (2, now(), 'b')",)
_NEXT = "nextval('s')"

_SEEN_BY_POSTGRES = (
    _postgres("now() of BEGIN", *_late(_PLAIN, "now()"), same=True),
    _postgres("now() taken before anything was written", *_late(_LATER, "now()"), same=True),
    _postgres("clock_timestamp()", *_late(_PLAIN, "clock_timestamp()"), same=True, quick=False),
    _postgres(
        "repeatable read and serializable",
        ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t", "INSERT INTO t VALUES (1, now(), 'a'); COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t VALUES (2, now(), 'b')", "COMMIT"),
        quick=False,
    ),
    _postgres(
        "ROLLBACK TO SAVEPOINT",
        (
            "BEGIN; INSERT INTO t VALUES (1, now(), 'a'); SAVEPOINT s; INSERT INTO t VALUES (3, now(), 'gone')",
            "ROLLBACK TO SAVEPOINT s; INSERT INTO t VALUES (4, now(), 'c'); COMMIT",
        ),
        _ONE,
    ),
    _postgres(
        "COMMIT AND CHAIN",
        (
            "BEGIN; INSERT INTO t VALUES (1, now(), 'a')",
            "COMMIT AND CHAIN",
            "INSERT INTO t VALUES (3, now(), 'c'); COMMIT",
        ),
        _ONE,
        quick=False,
    ),
    _postgres(
        "PREPARE TRANSACTION",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "PREPARE TRANSACTION 'p'; RECONNECT", "COMMIT_PREPARED 'p'"),
        _ONE,
    ),
    _postgres(
        "updates between windows of one row",
        ("BEGIN; UPDATE t SET f = now(), body = 'a' WHERE id = 5", "COMMIT"),
        ("UPDATE t SET f = now(), body = 'b' WHERE id = 6",),
        fields={"window_rows": 1},
    ),
    _postgres(
        "an older stamp over a newer one",
        ("BEGIN; SELECT now()", "UPDATE t SET f = now(), body = 'a' WHERE id = 5; COMMIT"),
        ("BEGIN; UPDATE t SET f = now(), body = 'b' WHERE id = 5; INSERT INTO t VALUES (2, now(), 'b'); COMMIT",),
        fields={"window_rows": 1},
    ),
    _postgres(
        "deleted and inserted again",
        ("BEGIN; DELETE FROM t WHERE id = 5", "INSERT INTO t VALUES (5, now(), 'a'); COMMIT"),
        _ONE,
    ),
    _postgres(
        "ties in windows of one row",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a'), (3, now(), 'c')", "COMMIT"),
        ("INSERT INTO t VALUES (2, now(), 'b'), (4, now(), 'd')",),
        fields={"window_rows": 1},
    ),
    _postgres(
        "timestamp without time zone",
        *_late(_PLAIN, "now()"),
        setup=("CREATE TABLE t (id INTEGER PRIMARY KEY, f timestamp, body TEXT)", "SET TIME ZONE 'UTC'"),
        same=True,
        quick=False,
    ),
    _postgres_numbers("a sequence", *_late(_PLAIN, _NEXT), same=True),
    _postgres_numbers(
        "a sequence, as text",
        *_late(_PLAIN, f"'k' || {_NEXT}"),
        column='TEXT COLLATE "C"',
        reset="DELETE FROM t; INSERT INTO t VALUES (5, 'a', 'old'), (6, 'b', 'older')",
        lookback=None,
        same=True,
    ),
    _postgres_numbers(
        "ties of a sequence in windows of one row",
        (f"BEGIN; INSERT INTO t VALUES (3, {_NEXT}, 'a'); INSERT INTO t VALUES (1, currval('s'), 'c')", "COMMIT"),
        ("BEGIN; INSERT INTO t SELECT 2, last_value, 'b' FROM s", "COMMIT"),
        reset="DELETE FROM t; INSERT INTO t VALUES (5, 500, 'old')",
        fields={"window_rows": 1},
        quick=False,
    ),
    _postgres_numbers(
        "an older number over a newer one, behind an equal look",
        (f"BEGIN; SELECT {_NEXT}", "UPDATE t SET f = currval('s'), body = 'a' WHERE id = 5; COMMIT"),
        (f"BEGIN; UPDATE t SET f = {_NEXT}, body = 'b' WHERE id = 5; INSERT INTO t VALUES (2, {_NEXT}, 'b'); COMMIT",),
        polls=2,
    ),
)

_UNSEEN_BY_POSTGRES = (
    _postgres("a stamp of the application", _APPLICATION, _ONE),
    _postgres(
        "a role that sees no other session",
        *_late(_PLAIN, "now()"),
        blind=True,
        same=True,
        warning="GRANT pg_read_all_stats",
    ),
    _postgres(
        "held for longer than max_hold",
        *_late(_PLAIN, "now()"),
        max_hold=NO_TIME,
        same=True,
        warning="open for more than",
    ),
    _postgres(
        "track_activities = off",
        ("SET track_activities = off; BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "COMMIT"),
        _ONE,
        warning="track_activities",
    ),
)


def _mariadb(name: str, *writers: tuple[str, ...], **fields: object) -> Case:
    plain: dict[str, object] = {
        "setup": ("CREATE TABLE t (id INTEGER PRIMARY KEY, f TIMESTAMP(6), body TEXT)",),
        "reset": "DELETE FROM t; INSERT INTO t VALUES (5, '2020-01-01', 'old')",
        "lookback": NO_TIME,
        "quick": False,  # a look at MariaDB's transactions is worth something ten times a second, so an order takes 0.1 s
    }
    return Case(f"MariaDB, {name}", "mariadb", writers=writers, **(plain | fields))  # type: ignore[arg-type]


def _mariadb_numbers(name: str, *writers: tuple[str, ...], **fields: object) -> Case:
    plain: dict[str, object] = {
        "setup": ("CREATE SEQUENCE s START 1000", "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)"),
        "reset": "DELETE FROM t; INSERT INTO t VALUES (5, 500, 'old')",
        "lookback": 0,
        "margin": None,
    }
    return _mariadb(name, *writers, **(plain | fields))


_NOW_B = ("INSERT INTO t VALUES (2, NOW(6), 'b')",)
_NEXT_B = ("INSERT INTO t VALUES (2, NEXTVAL(s), 'b')",)

_SEEN_BY_MARIADB = (
    _mariadb("NOW(6)", _late(_PLAIN, "NOW(6)")[0], _NOW_B, quick=True),
    _mariadb("NOW(6) of two transactions", *_late(_PLAIN, "NOW(6)"), same=True),
    _mariadb("SYSDATE(6)", _late(_PLAIN, "SYSDATE(6)")[0], _NOW_B),
    _mariadb(
        "ROLLBACK TO SAVEPOINT",
        (
            "BEGIN; INSERT INTO t VALUES (1, NOW(6), 'a'); SAVEPOINT s; INSERT INTO t VALUES (3, NOW(6), 'gone')",
            "ROLLBACK TO SAVEPOINT s; INSERT INTO t VALUES (4, NOW(6), 'c'); COMMIT",
        ),
        _NOW_B,
    ),
    _mariadb(
        "an update and a new row, in windows of one row",
        ("BEGIN; UPDATE t SET f = NOW(6), body = 'a' WHERE id = 5; INSERT INTO t VALUES (1, NOW(6), 'c')", "COMMIT"),
        _NOW_B,
        fields={"window_rows": 1},
    ),
    _mariadb(
        "deleted and inserted again",
        ("BEGIN; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, NOW(6), 'a')", "COMMIT"),
        _NOW_B,
    ),
    _mariadb(
        "XA PREPARE",
        ("XA_BEGIN 'p'; INSERT INTO t VALUES (1, NOW(6), 'a'); XA_END 'p'", "XA_PREPARE 'p'", "XA_COMMIT 'p'"),
        _NOW_B,
    ),
    _mariadb(
        "XA PREPARE, and its session ends",
        ("XA_BEGIN 'p'; INSERT INTO t VALUES (1, NOW(6), 'a'); XA_END 'p'; XA_PREPARE 'p'; RECONNECT", "XA_COMMIT 'p'"),
        _NOW_B,
        quick=True,
    ),
    _mariadb_numbers(
        "AUTO_INCREMENT",
        ("BEGIN; INSERT INTO t (body) VALUES ('a')", "COMMIT"),
        ("INSERT INTO t (body) VALUES ('b')",),
        setup=("CREATE TABLE t (id INTEGER AUTO_INCREMENT PRIMARY KEY, body TEXT)",),
        reset="DELETE FROM t; INSERT INTO t (body) VALUES ('old')",
        fields={"filter_column": "id"},
        quick=True,
    ),
    _mariadb_numbers("numbers of two transactions", *_late(_PLAIN, "NEXTVAL(s)"), same=True),
    _mariadb_numbers(
        "a number taken by a statement that then waits",
        (
            "BEGIN; SEND INSERT INTO t SELECT 1, NEXTVAL(s), IF(GET_LOCK('gate', 60), 'a', '')",
            "RECEIVE",
            "COMMIT",
        ),
        _NEXT_B,
    ),
)

_UNSEEN_BY_MARIADB = (
    _mariadb(
        "a stamp taken before the first row",
        ("BEGIN; SET @stamp = NOW(6)", "INSERT INTO t VALUES (1, @stamp, 'a'); COMMIT"),
        _NOW_B,
    ),
    _mariadb(
        "a role without PROCESS",
        *_late(_PLAIN, "NOW(6)"),
        blind=True,
        same=True,
        warning="GRANT PROCESS",
        quick=True,
    ),
    _mariadb(
        "held for longer than max_hold",
        _late(_PLAIN, "NOW(6)")[0],
        _NOW_B,
        max_hold=NO_TIME,
        warning="open for more than",
    ),
)

HARMLESS = (
    _postgres("statements of their own", ("INSERT INTO t VALUES (1, now(), 'a')",), _ONE, same=True),
    _postgres(
        "ROLLBACK",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "ROLLBACK"),
        _ONE,
    ),
    _mariadb("statements of their own", ("INSERT INTO t VALUES (1, NOW(6), 'a')",), _NOW_B, same=True, quick=False),
)
"""Writers that no fence is needed for."""

SEEN = (*_SEEN_BY_POSTGRES, *_SEEN_BY_MARIADB)
"""Writers that the fence sees."""

UNSEEN = (*_UNSEEN_BY_POSTGRES, *_UNSEEN_BY_MARIADB)
"""Writers that it cannot see."""

LONG = (
    _postgres(
        "two rows each in three windows, and two polls",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a'), (3, now(), 'c')", "COMMIT"),
        ("BEGIN; INSERT INTO t VALUES (2, now(), 'b'), (4, now(), 'd')", "COMMIT"),
        fields={"window_rows": 2},
        polls=2,
        same=True,
    ),
    _postgres_numbers(
        "two numbers each in three windows, and two polls",
        (f"BEGIN; INSERT INTO t VALUES (1, {_NEXT}, 'a')", f"INSERT INTO t VALUES (3, {_NEXT}, 'c'); COMMIT"),
        (f"BEGIN; INSERT INTO t VALUES (2, {_NEXT}, 'b')", f"INSERT INTO t VALUES (4, {_NEXT}, 'd'); COMMIT"),
        fields={"window_rows": 2},
        polls=2,
        same=True,
    ),
)
"""More steps and more polls than a test can take the time for."""


def with_lookback(case: Case) -> Case:
    """The same writers, and a lookback that is longer than any of them."""
    return replace(case, name=f"{case.name}, with a lookback", lookback=MINUTE)
