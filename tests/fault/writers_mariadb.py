"""Kinds of writers on MariaDB."""

from __future__ import annotations

from tests.fault.cases import NO_TIME, PLAIN, Case, stamped


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

SEEN = (
    _mariadb("NOW(6)", stamped(PLAIN, "NOW(6)")[0], _NOW_B, quick=True),
    _mariadb("NOW(6) of two transactions", *stamped(PLAIN, "NOW(6)"), same=True),
    _mariadb("SYSDATE(6)", stamped(PLAIN, "SYSDATE(6)")[0], _NOW_B),
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
    _mariadb_numbers("numbers of two transactions", *stamped(PLAIN, "NEXTVAL(s)"), same=True),
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

UNSEEN = (
    _mariadb(
        "a stamp taken before the first row",
        ("BEGIN; SET @stamp = NOW(6)", "INSERT INTO t VALUES (1, @stamp, 'a'); COMMIT"),
        _NOW_B,
    ),
    _mariadb(
        "a role without PROCESS",
        *stamped(PLAIN, "NOW(6)"),
        blind=True,
        same=True,
        warning="GRANT PROCESS",
        quick=True,
    ),
    _mariadb(
        "held for longer than max_hold",
        stamped(PLAIN, "NOW(6)")[0],
        _NOW_B,
        max_hold=NO_TIME,
        warning="open for more than",
    ),
)

HARMLESS = (
    _mariadb("statements of their own", ("INSERT INTO t VALUES (1, NOW(6), 'a')",), _NOW_B, same=True, quick=False),
)
