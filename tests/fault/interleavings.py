"""Every order in which the steps of two writers and of syncd's own statements can follow one another, on a real server.

A writer's step is one or more statements; a poll is a real pipeline over a real source, which halts before each statement
that it sends. At every halt the explorer either runs the next step of a writer or lets the poll go on, and comes back
until every choice has been made. Nothing runs at the same time, so an order is exactly what its choices say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import psycopg
import pymysql
import sqlalchemy as sa
from pydantic import SecretStr

from syncd.model.run import Checkpoint, RunOptions
from syncd.model.schedule import as_utc
from syncd.model.watermark import Watermark
from syncd.pipeline import Pipeline
from syncd.source import mysql, postgresql
from syncd.source.cursor import Fence
from syncd.source.database import SqlOptions
from syncd.source.open_table import OpenTable
from syncd.source.sql import SqlSource
from syncd.tally import Tally
from tests.fault.cases import EVERYTHING, Case, Outcome, Writer
from tests.fault.held import Held
from tests.tables import job

# InnoDB's list of transactions is as old as the last look at it for this long; see `syncd.source.mysql`.
LIST_SECONDS = 0.105

Choose = Callable[[int], int]
FenceOf = Callable[[sa.Connection], Fence]


class Crossed(Exception):
    """The wall clock's second changed in a schedule, so that what the server shows in whole seconds is another."""


def explore(run: Callable[[Choose], bool], enough: Callable[[], bool] = lambda: False) -> int:
    """Call `run` once for every sequence of choices that it can be given, and return how many there were.

    Args:
        run: asks for each choice with the number of options; answers False when it has to be made again.
        enough: tells that no more is needed.
    """
    trail: list[tuple[int, int]] = []
    count = 0
    while True:
        depth = 0

        def choose(options: int) -> int:
            nonlocal depth
            if depth == len(trail):
                trail.append((0, options))
            picked, before = trail[depth]
            if before != options:
                raise Crossed(f"{before} options became {options}")
            depth += 1
            return picked

        known = list(trail)
        for _ in range(50):
            depth, trail[:] = 0, known
            if run(choose):
                break
        else:
            raise AssertionError("the same choices never led to the same place")
        count += 1
        while trail and trail[-1][0] + 1 == trail[-1][1]:
            trail.pop()
        if not trail or enough():
            return count
        picked, options = trail.pop()
        trail.append((picked + 1, options))


class Bench:
    """One case on one server, ready to be run in any order.

    Args:
        url: of an empty database.
        whole: take every order, also those that differ only in what no statement between can see.
        fence: what takes the place of syncd's own, to show what would be lost without it.
    """

    def __init__(self, case: Case, url: str, *, whole: bool = False, fence: FenceOf | None = None) -> None:
        self._case = case
        self._whole = whole
        self._url = sa.make_url(url)
        self._admin = Writer(self._connect, ())
        for statement in case.setup:
            self._admin.execute(statement)
        self._writers = [Writer(self._connect, steps, self._admin) for steps in case.writers]
        self._role = f"blind_{self._url.database}" if case.blind else None
        self._source = self._open_source()
        self._fence = fence or self._source._dialect.fence
        self._choose: Choose | None = None
        self._looked = 0.0
        self._trace: list[str] = []
        self.outcome = Outcome()

    def run(self, choose: Choose) -> bool:
        """Run one schedule; answer False when it has to be run again."""
        for statement in self._case.reset.split("; "):
            self._admin.execute(statement)
        second = self._second()
        held, checkpoint, self._trace = Held(), None, []
        self._source._dialect.fence = self._watched  # type: ignore[method-assign]
        try:
            self._choose = choose
            for _ in range(self._case.polls):
                checkpoint = self._poll(held, checkpoint)
                self._trace.append("|")
        except Crossed:
            if second is None:
                raise
        finally:
            self._choose = None
            self._end_writers()
        if second not in {None, int(time.time())}:
            return False
        assert checkpoint is not None
        # The last poll only has to read; and so late that an equal glance no longer counts.
        self._source._dialect.fence = blind_fence  # type: ignore[method-assign]
        self._poll(held, replace(checkpoint, glance=None))
        rows = {(str(id_), body) for id_, body in self._admin.execute("SELECT id, body FROM t")}
        if lost := rows - held.rows():
            self.outcome.lost.append(f"{''.join(self._trace)} {sorted(lost)}")
        return True

    def close(self) -> None:
        self._source.close()
        if self._role is not None:
            self._drop_role()
        for writer in (*self._writers, self._admin):
            writer.close()

    def _poll(self, held: Held, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """Run the pipeline once, and return the checkpoint as the next run finds it."""
        saved: list[Checkpoint] = []
        pipeline = Pipeline(
            self._source,
            held,
            held,
            held,  # type: ignore[arg-type]  # a run asks for no more of a knowledge base
            commit=lambda checkpoint, *_: saved.append(checkpoint),
            meaning="",
        )
        pipeline.run(checkpoint, RunOptions(), Tally())
        if not saved:
            self.outcome.idle += 1
            return checkpoint
        return replace(saved[-1], watermark=Watermark.load(saved[-1].watermark.dump()))

    def _watched(self, connection: sa.Connection) -> Fence:
        fence = self._fence(connection)
        self.outcome.warnings.update(fence.warnings)
        return fence

    def _before(self, _c: object, _cursor: object, statement: str, *_: object) -> None:
        """Halt before a statement of a poll."""
        if self._choose is not None and "START TRANSACTION" not in statement:
            self._halt(self._choose, _seen_by(statement))
            self._trace.append(".")
        if "innodb_trx" in statement:
            time.sleep(max(0.0, self._looked + LIST_SECONDS - time.monotonic()))

    def _after(self, _c: object, _cursor: object, statement: str, *_: object) -> None:
        if "innodb_trx" in statement:
            self._looked = time.monotonic()

    def _halt(self, choose: Choose, sees: str) -> None:
        """Take steps of the writers until the poll may go on.

        An order whose last step here is one that the next statement cannot see is the same as the order in which that
        step comes after the statement, so it is left out.
        """
        shows = EVERYTHING
        while ready := [(n, writer) for n, writer in enumerate(self._writers) if not writer.ended]:
            if self._case.same and self._writers[0].taken == 0:
                ready = ready[:1]
            picked = choose(len(ready) + (self._whole or sees in shows))
            if picked == len(ready):
                return
            n, writer = ready[picked]
            shows = writer.step()
            self._trace.append(f"{'AB'[n]}{writer.taken}")

    def _end_writers(self) -> None:
        for writer in self._writers:
            while not writer.ended:
                writer.step()
            writer.taken = 0

    def _second(self) -> int | None:
        """Wait for a second of the wall clock that is long enough; None where the server shows no whole seconds."""
        if self._case.kind == "postgres":
            return None
        over = time.time() % 1
        if over > 1 - LIST_SECONDS * (self._case.polls + 1):
            time.sleep(1.001 - over)
        return int(time.time())

    def _connect(self) -> Any:
        if self._case.kind == "postgres":
            url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
            return psycopg.connect(url, autocommit=True, options="-c synchronous_commit=off")
        socket = str(self._url.query["unix_socket"])
        return pymysql.connect(
            user="root", unix_socket=socket, database=self._url.database, autocommit=True, ssl_disabled=True
        )

    def _open_source(self) -> SqlSource:
        url = self._url
        if self._role is not None:
            for statement in _make_role(self._role, self._case.kind):
                self._admin.execute(statement)
            url = url.set(username=self._role, password="p")
        source = SqlSource(
            SqlOptions(url=SecretStr(url.render_as_string(hide_password=False))), job(**self._case.fields)
        )
        source._dialect.max_hold = self._case.max_hold
        with source._connect() as connection:
            found = source._find(connection)
        # The table stays what it is, so it is looked up once; and no job may name a lookback of no time.
        kind: Any = found.type
        if self._case.lookback is not None:
            kind = replace(kind, lookback=self._case.lookback)
        opened = OpenTable(source._job, found.source, kind)
        source._find = lambda connection: opened  # type: ignore[method-assign]
        sa.event.listen(source._database._engine, "before_cursor_execute", self._before)
        sa.event.listen(source._database._engine, "after_cursor_execute", self._after)
        return source

    def _drop_role(self) -> None:
        for statement in _drop_role(str(self._role), self._case.kind):
            self._admin.execute(statement)


def outcome_of(
    case: Case, url: str, *, whole: bool = False, fence: FenceOf | None = None, first: bool = False
) -> Outcome:
    """Run a case in every order, or until the `first` that loses a row; see `Bench`."""
    module: Any = postgresql if case.kind == "postgres" else mysql
    bench = Bench(case, url, whole=whole, fence=fence)
    outcome = bench.outcome
    begun = time.monotonic()
    try:
        with patch.object(module, "MARGIN", module.MARGIN if case.margin is None else case.margin):
            outcome.schedules = explore(bench.run, lambda: first and bool(outcome.lost))
    finally:
        bench.close()
    outcome.seconds = time.monotonic() - begun
    return outcome


def blind_fence(connection: sa.Connection) -> Fence:
    """What a fence would be that looks at the clock alone."""
    function = "clock_timestamp()" if connection.dialect.name == "postgresql" else "UTC_TIMESTAMP(6)"
    clock = as_utc(connection.exec_driver_sql(f"SELECT {function}").scalar_one())
    return Fence(clock, clock)


def _seen_by(statement: str) -> str:
    if "clock_timestamp" in statement or "UTC_TIMESTAMP" in statement:
        return "clock"
    return (
        "sessions" if any(name in statement for name in ("pg_stat", "pg_prep", "processlist", "innodb_trx")) else "rows"
    )


def _make_role(name: str, kind: str) -> list[str]:
    if kind == "postgres":
        return [f"CREATE ROLE {name} LOGIN PASSWORD 'p'", f"GRANT SELECT ON t TO {name}"]
    return [f"CREATE USER {name}@localhost IDENTIFIED BY 'p'", f"GRANT SELECT ON t TO {name}@localhost"]


def _drop_role(name: str, kind: str) -> list[str]:
    return [f"DROP OWNED BY {name}", f"DROP ROLE {name}"] if kind == "postgres" else [f"DROP USER {name}@localhost"]
