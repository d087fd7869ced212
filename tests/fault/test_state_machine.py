"""Any order of changes, held transactions, runs, cut-off runs, new definitions and waits, against a dictionary of the table.

`SYNCD_MACHINE_EXAMPLES=200 ... -s --hypothesis-seed=N` goes on for longer, and with other choices.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from syncd.errors import Conflict
from syncd.model.fingerprint import fingerprint
from syncd.model.record import Fingerprint
from syncd.model.run import Run, RunOptions
from syncd.source import postgresql
from syncd.tally import STEPS, Step
from tests.engine import Engine
from tests.tables import execute
from tests.world import World, now, words

MARGIN = timedelta(milliseconds=30)
KEYS = st.integers(1, 5)
EXAMPLES = int(os.environ.get("SYNCD_MACHINE_EXAMPLES", "0"))

Row = dict[str, Any]


class Cut(Exception):
    """Ends a run at a step, as the end of its process would."""


@dataclass
class Held:
    """A transaction that stays open, and what the table will hold when it is committed."""

    connection: sa.Connection
    rows: dict[int, Row] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """One table on PostgreSQL, filtered by numbers that are handed out in order and committed in any, and no lookback."""

    folders: Iterator[Path]
    url: str
    did: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        """An empty table, and an installation that has never run."""
        execute(self.url, "DROP TABLE IF EXISTS t")
        self.world = World.make(next(self.folders), self.url, window_rows=3)
        self.world.rewrite(
            ("mode: soft, column: gone", "mode: sweep"), ("    window_rows", "    lookback: 0\n    window_rows")
        )
        self.stack = ExitStack()
        self.engine = self.stack.enter_context(Engine.of(self.world, now()))
        self.rows: dict[int, Row] = {}
        self.silent: set[int] = set()
        self.held: list[Held] = []
        self.number = 0
        self.template = self.gone = False
        self.unseen_change = False

    def teardown(self) -> None:
        """Let everything come to rest: then the knowledge base equals the dictionary."""
        for held in list(self.held):
            self._end(held, commit=True)
        if self.engine.job.paused:
            self.engine.jobs.resume(self.engine.job)
        self._sync(RunOptions(sweep=True))
        self.engine.parts.close()
        chunks = self.world.chunks()
        assert {id_.rpartition("#")[0] for id_ in chunks} == set(self._wanted(self.rows))
        found = {id_: Fingerprint(content, metadata) for id_, (content, metadata, _) in self.world.held().items()}
        assert found == self._wanted(self.rows)
        sizes = Counter(id_.rpartition("#")[0] for id_ in chunks)
        marks = {
            id_[:-2]: int(str(one["syncd_mark"]).split(":")[3]) for id_, one in chunks.items() if "syncd_mark" in one
        }
        assert sizes == marks
        self.stack.close()

    # --- changes

    @rule(key=KEYS, length=st.integers(1, 40))
    def insert_or_change_content(self, key: int, length: int) -> None:
        """Whole texts, long and short; a key that was deleted is used again."""
        self._put(key, body=words(self._next(), length), tag=f"tag{self.number % 3}")

    @rule(data=st.data())
    @precondition(lambda self: self._free())
    def change_metadata(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self._free()))
        self._put(key, body=self.rows[key]["body"], tag=data.draw(st.sampled_from([None, "red", "blue"])))

    @rule(data=st.data())
    @precondition(lambda self: self._free())
    def empty(self, data: st.DataObject) -> None:
        self._put(data.draw(st.sampled_from(self._free())), body=data.draw(st.sampled_from([None, "", " "])), tag=None)

    @rule(data=st.data())
    @precondition(lambda self: self._free())
    def change_in_silence(self, data: st.DataObject) -> None:
        """Without moving the filter column: only a sweep sees it."""
        key = data.draw(st.sampled_from(self._free()))
        body = words(self._next(), 4)
        execute(self.url, f"UPDATE t SET body = '{body}' WHERE id = {key}")
        self.rows[key] = self.rows[key] | {"body": body}
        self._hide(key)

    @rule(data=st.data())
    @precondition(lambda self: self._free())
    def delete(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self._free()))
        execute(self.url, f"DELETE FROM t WHERE id = {key}")
        del self.rows[key]
        self._hide(key)

    @rule(key=KEYS)
    @precondition(lambda self: len(self.held) < 3)
    def hold(self, key: int) -> None:
        """Begin a transaction; whatever it writes may commit much later."""
        self._write_late(self._hold(), key)

    def _hold(self) -> Held:
        connection = self.stack.enter_context(sa.create_engine(self.url, poolclass=sa.NullPool).connect())
        connection.exec_driver_sql("SELECT now()")
        self.held.append(Held(connection))
        self.did["held"] += 1
        return self.held[-1]

    @rule(data=st.data(), key=KEYS)
    @precondition(lambda self: self.held)
    def write_in_held(self, data: st.DataObject, key: int) -> None:
        self._write_late(data.draw(st.sampled_from(self.held)), key)

    def _write_late(self, held: Held, key: int) -> None:
        if any(key in other.rows for other in self.held if other is not held):
            return
        row = {"f": self._next(), "body": words(self.number, 4), "tag": "late"}
        held.connection.exec_driver_sql(_upsert(key, row))
        held.rows[key] = row

    @rule(data=st.data(), commit=st.booleans())
    @precondition(lambda self: self.held)
    def end_held(self, data: st.DataObject, commit: bool) -> None:
        self._end(data.draw(st.sampled_from(self.held)), commit=commit)

    # --- what syncd does

    @rule(sweep=st.sampled_from([False, False, True]))
    def sync(self, sweep: bool) -> None:
        self._sync(RunOptions(sweep=sweep))

    @rule()
    def update_late_on_a_quiet_table(self) -> None:
        """Between two runs nothing happens but an update whose filter value lies among those that have been read."""
        self.did["updated late on a quiet table"] += 1
        held = self._hold()
        self._put(98, body=words(self._next(), 2), tag="early")
        self._write_late(held, 98)
        self._put(99, body=words(self._next(), 2), tag="newest")
        self._sync(RunOptions())
        self._sync(RunOptions())
        self._end(held, commit=True)
        self._sync(RunOptions())

    @rule(step=st.sampled_from(STEPS), sweep=st.booleans())
    def sync_cut_off(self, step: Step, sweep: bool) -> None:
        """A run that does not come back from a step; the state and the knowledge base stay as they are then."""

        def cut() -> None:
            self.engine.at_step.clear()
            raise Cut

        self.engine.at_step[step] = cut
        run = self._run(RunOptions(sweep=sweep))
        self.did["cut" if run.status == "failed" else "not cut"] += 1
        self.engine.at_step.clear()
        self.engine.parts.close()

    @rule(which=st.sampled_from(["template", "metadata", "window", "description"]))
    def reconfigure(self, which: str) -> None:
        definition = self.engine.job.definition
        if which == "template":
            self.template = not self.template
        elif which == "metadata":
            self.gone = not self.gone
        changes = {
            "template": "{body} !" if self.template else None,
            "metadata_columns": ("tag", "gone") if self.gone else ("tag",),
            "window_rows": 2 if which == "window" else 3,
            "description": f"number {self.number}",
        }
        self.engine.jobs.reconcile({"copy": definition.model_copy(update=changes)})
        self.did["reconfigured"] += 1

    @rule(what=st.sampled_from(["hour", "day", "pause"]))
    def let_time_pass(self, what: str) -> None:
        """The clock goes on, and a sweep may be due; or the job is paused, or goes on."""
        assert self.engine.clock.now is not None
        if what == "pause":
            self._pause_or_resume()
        else:
            self.engine.clock.now += timedelta(hours=1 if what == "hour" else 30)

    def _pause_or_resume(self) -> None:
        """A paused job runs only for those who insist, and loses nothing by it."""
        job = self.engine.job
        (self.engine.jobs.resume if job.paused else self.engine.jobs.pause)(job)
        if not job.paused:
            with pytest.raises(Conflict, match="is paused"):
                self.engine.ask()

    # --- the model

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _free(self) -> list[int]:
        return sorted(set(self.rows) - {key for held in self.held for key in held.rows})

    def _put(self, key: int, **values: Any) -> None:
        if any(key in held.rows for held in self.held):
            return
        row = {"f": self._next(), **values}
        execute(self.url, _upsert(key, row))
        self.rows[key] = row
        self.silent.discard(key)

    def _hide(self, key: int) -> None:
        self.silent.add(key)
        self.unseen_change = True

    def _end(self, held: Held, *, commit: bool) -> None:
        self.held.remove(held)
        if commit:
            held.connection.commit()
            self.rows |= held.rows
            self.silent -= held.rows.keys()
            # While others keep the watermark where it is, an update in place may be read a while later.
            self.unseen_change |= bool(self.held)
            self.did["committed late"] += bool(held.rows)
        else:
            held.connection.rollback()
        held.connection.close()

    def _run(self, options: RunOptions) -> Run:
        return self.engine.run(options=replace(options, force=self.engine.job.paused))

    def _sync(self, options: RunOptions) -> None:
        if self.unseen_change and not options.sweep:
            # A glance counts rows and looks at the newest; a deletion can make up for a late row, for a while.
            self._put(99, body=words(self._next(), 2), tag="newest")
        self.unseen_change = False
        # What the last pass saw is settled, as it is when ticks are minutes apart.
        execute(self.url, f"SELECT pg_sleep({2 * MARGIN.total_seconds()})")
        before = self.engine.state.checkpoints.get(self.engine.job.id)
        run = self._run(options)
        assert run.status == "completed", run.error
        self.did["synced"] += 1
        if run.counts.swept:
            self.silent.clear()
        visible = self._wanted({key: row for key, row in self.rows.items() if key not in self.silent})
        with self.engine.parts.target("kb_one") as target:
            held = target.knowledge_base.fingerprints(list(visible))
        assert held == visible
        after = self.engine.state.checkpoints.get(self.engine.job.id)
        if before is not None and after is not None and before.meaning == after.meaning:
            assert _value(before) <= _value(after), "a watermark moved back"

    def _wanted(self, rows: dict[int, Row]) -> dict[str, Fingerprint]:
        found = {}
        for key, row in rows.items():
            if not (row["body"] or "").strip():
                continue
            text = f"{row['body']} !" if self.template else f"body: {row['body']}"
            metadata = {"tag": row["tag"], "f": row["f"]} | ({"gone": 0} if self.gone else {})
            found[f"db.t:{key}"] = fingerprint(text, metadata)
        return found


def _upsert(key: int, row: Row) -> str:
    f, body, tag = row["f"], row["body"], row["tag"]
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in (body, tag))
    return (
        f"INSERT INTO t (id, f, body, tag) VALUES ({key}, {f}, {values}) "
        "ON CONFLICT (id) DO UPDATE SET f = excluded.f, body = excluded.body, tag = excluded.tag"
    )


def _value(checkpoint: Any) -> int:
    return -1 if checkpoint.watermark.value is None else int(checkpoint.watermark.value)


def test_whatever_happens_in_whatever_order(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each run what a pass can see is in step; after a rest and a sweep, everything is."""
    # One session at a time does something here, so that a transaction's start is always there to be seen.
    monkeypatch.setattr(postgresql, "MARGIN", MARGIN)

    def folders() -> Iterator[Path]:
        for n in range(10_000):
            (made := tmp_path / f"{n}").mkdir()
            yield made

    Machine.folders, Machine.url, Machine.did = folders(), postgres_url, Counter()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES or 12,
            stateful_step_count=30,
            # A failure's steps are printed as they are; with more time they are made fewer.
            phases=(*([Phase.shrink] if EXAMPLES else []), Phase.generate),
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    print(dict(Machine.did))
    assert all(Machine.did[what] for what in ("held", "committed late", "cut", "synced", "reconfigured")), Machine.did
