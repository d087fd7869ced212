"""Kinds of writers on PostgreSQL."""

from __future__ import annotations

from tests.fault.cases import NO_TIME, PLAIN, Case, stamped


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

SEEN = (
    _postgres("now() of BEGIN", *stamped(PLAIN, "now()"), same=True),
    _postgres("now() taken before anything was written", *stamped(_LATER, "now()"), same=True),
    _postgres("clock_timestamp()", *stamped(PLAIN, "clock_timestamp()"), same=True, quick=False),
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
        *stamped(PLAIN, "now()"),
        setup=("CREATE TABLE t (id INTEGER PRIMARY KEY, f timestamp, body TEXT)", "SET TIME ZONE 'UTC'"),
        same=True,
        quick=False,
    ),
    _postgres_numbers("a sequence", *stamped(PLAIN, _NEXT), same=True),
    _postgres_numbers(
        "a sequence, as text",
        *stamped(PLAIN, f"'k' || {_NEXT}"),
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

UNSEEN = (
    _postgres("a stamp of the application", _APPLICATION, _ONE),
    _postgres(
        "a role that sees no other session",
        *stamped(PLAIN, "now()"),
        blind=True,
        same=True,
        warning="GRANT pg_read_all_stats",
    ),
    _postgres(
        "held for longer than max_hold",
        *stamped(PLAIN, "now()"),
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


HARMLESS = (
    _postgres("statements of their own", ("INSERT INTO t VALUES (1, now(), 'a')",), _ONE, same=True),
    _postgres(
        "ROLLBACK",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "ROLLBACK"),
        _ONE,
    ),
)

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
