"""The kinds of writers that the interleavings are made of.

A case without a lookback rests on the fence alone. Where the fence by design cannot see a writer, there are two cases:
one without a lookback, which loses rows, and one with a lookback, which does not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.fault.interleavings import Case

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
    _postgres("clock_timestamp()", *_late(_PLAIN, "clock_timestamp()"), same=True),
    _postgres(
        "repeatable read and serializable",
        ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t", "INSERT INTO t VALUES (1, now(), 'a'); COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t VALUES (2, now(), 'b')", "COMMIT"),
    ),
    _postgres("statements of their own", ("INSERT INTO t VALUES (1, now(), 'a')",), _ONE, same=True),
    _postgres(
        "ROLLBACK",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "ROLLBACK"),
        ("BEGIN; INSERT INTO t VALUES (2, now(), 'b')", "COMMIT"),
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
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "COMMIT AND CHAIN", "INSERT INTO t VALUES (3, now(), 'c'); COMMIT"),
        _ONE,
    ),
    _postgres(
        "PREPARE TRANSACTION",
        ("BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "PREPARE TRANSACTION 'p'; RECONNECT", "COMMIT_PREPARED 'p'"),
        _ONE,
    ),
    _postgres(
        "updates between windows of one row",
        ("BEGIN; UPDATE t SET f = now(), body = 'a' WHERE id = 5", "COMMIT"),
        ("BEGIN; UPDATE t SET f = now(), body = 'b' WHERE id = 6", "COMMIT"),
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
        ("BEGIN; INSERT INTO t VALUES (2, now(), 'b')", "COMMIT"),
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
    ),
    _postgres_numbers("a sequence", *_late(_PLAIN, _NEXT), same=True),
    _postgres_numbers("a sequence, texts", *_late(_PLAIN, f"'k' || {_NEXT}"), column='TEXT COLLATE "C"', lookback=None, same=True,
        reset="DELETE FROM t; INSERT INTO t VALUES (5, 'a', 'old'), (6, 'b', 'older')", fields={"window_rows": 2}),
    _postgres_numbers(
        "ties of a sequence in windows of one row",
        (f"BEGIN; INSERT INTO t VALUES (3, {_NEXT}, 'a'); INSERT INTO t VALUES (1, currval('s'), 'c')", "COMMIT"),
        ("BEGIN; INSERT INTO t SELECT 2, last_value, 'b' FROM s", "COMMIT"),
        fields={"window_rows": 1},
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
    _postgres("a role that sees no other session", *_late(_PLAIN, "now()"), blind=True, same=True),
    _postgres("held for longer than max_hold", *_late(_PLAIN, "now()"), max_hold=NO_TIME, same=True),
    _postgres(
        "track_activities = off",
        ("SET track_activities = off; BEGIN; INSERT INTO t VALUES (1, now(), 'a')", "COMMIT"),
        _ONE,
    ),
)

SEEN = {case.name: case for case in _SEEN_BY_POSTGRES}
UNSEEN = {case.name: case for case in _UNSEEN_BY_POSTGRES}


def with_lookback(case: Case) -> Case:
    """The same writers, and a lookback that is longer than any of them."""
    return replace(case, name=f"{case.name}, with a lookback", lookback=MINUTE)
