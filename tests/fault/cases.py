"""What a case of the interleavings is made of, and the sessions that take its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pymysql

from tests.waiting import until

EVERYTHING = frozenset({"clock", "sessions", "rows"})
"""What a statement of a poll can see of a writer's step."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of writers on one kind of table.

    Args:
        kind: `postgres` or `mariadb`.
        setup: makes the table `t`, whose rows have an id and a body, and what else it needs.
        reset: what the table holds when a schedule begins.
        writers: the steps of each; the statements of a step are separated by `; `. See `Writer.step`.
        fields: of the job, beside the defaults.
        lookback: of the filter column, where there is one.
        polls: how many polls are halted; one more comes when every writer has ended.
        margin: in place of the one that wall clocks need, which would hide everything in a test this short; None keeps it.
        max_hold: how long a transaction may hold the fence.
        blind: the source's role sees no other session.
        same: the writers do the same, so that it is enough when the first one begins first.
        warning: what syncd says about its own sight; empty where it sees everything.
        quick: few enough orders for every run of the tests.
    """

    name: str
    kind: str
    setup: tuple[str, ...]
    reset: str
    writers: tuple[tuple[str, ...], ...]
    fields: dict[str, object] = field(default_factory=dict)
    lookback: timedelta | int | None = None
    polls: int = 1
    margin: timedelta | None = timedelta()
    max_hold: timedelta = timedelta(minutes=15)
    blind: bool = False
    same: bool = False
    warning: str = ""
    quick: bool = True


@dataclass(slots=True)
class Outcome:
    """What came of a case.

    Args:
        schedules: how many orders there were.
        lost: those that lost a row: `A1` is the first step of the first writer, `.` a statement of a poll, `|` its end.
        warnings: every warning that a fence came with.
        idle: how many polls found nothing to read.
    """

    schedules: int = 0
    lost: list[str] = field(default_factory=list)
    warnings: set[str] = field(default_factory=set)
    idle: int = 0
    seconds: float = 0.0


class Writer:
    """A session that takes one step at a time."""

    def __init__(self, connect: Callable[[], Any], steps: Sequence[str], gate: Writer | None = None) -> None:
        self._connect = connect
        self._connection = connect()
        self._steps = steps
        self._gate = gate
        self.taken = 0

    @property
    def ended(self) -> bool:
        return self.taken == len(self._steps)

    def step(self) -> frozenset[str]:
        """Take the next step, and return what a poll can see of it.

        Beside SQL there are RECONNECT, which ends the session and begins another, and for MariaDB SEND, which does not
        wait for the statement's end as it waits at the gate, and RECEIVE, which opens the gate and waits for that.
        """
        step = self._steps[self.taken]
        self.taken += 1
        for statement in step.split("; "):
            self._send(statement)
        if step.split(" ")[0] in {"COMMIT", "COMMIT_PREPARED", "ROLLBACK", "XA_COMMIT"} and ";" not in step:
            return EVERYTHING - {"clock"}
        return EVERYTHING if "COMMIT" in step or "BEGIN" not in self._steps[0] else EVERYTHING - {"rows"}

    def execute(self, statement: str) -> list[Any]:
        """Run one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def close(self) -> None:
        self._connection.close()

    def _send(self, statement: str) -> None:
        order, _, rest = statement.partition(" ")
        if order == "RECONNECT":
            left = self._connection
            pid = left.info.backend_pid if isinstance(left, psycopg.Connection) else left.thread_id()
            left.close()
            self._connection = self._connect()
            self._wait_until(
                f"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"
                if isinstance(left, psycopg.Connection)
                else f"SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE id = {pid}"
            )
        elif order == "SEND":
            assert self._gate is not None
            self._gate.execute("SELECT GET_LOCK('gate', 0)")
            self._connection._execute_command(pymysql.constants.COMMAND.COM_QUERY, rest)
            number = self._connection.thread_id()
            waits = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number} AND state = 'User lock'"
            self._gate._wait_until(waits)
        elif order == "RECEIVE":
            assert self._gate is not None
            self._gate.execute("SELECT RELEASE_LOCK('gate')")
            self._connection._read_query_result()
            self.execute("SELECT RELEASE_LOCK('gate')")
        else:
            self.execute(statement.replace("_PREPARED", " PREPARED").replace("XA_", "XA "))

    def _wait_until(self, question: str) -> None:
        until(lambda: self.execute(question)[0][0])


NO_TIME = timedelta()

PLAIN = (
    ("BEGIN; INSERT INTO t VALUES (1, STAMP, 'a')", "COMMIT"),
    ("BEGIN; INSERT INTO t VALUES (2, STAMP, 'b')", "COMMIT"),
)


def stamped(writers: tuple[tuple[str, ...], ...], stamp: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(step.replace("STAMP", stamp) for step in steps) for steps in writers)
