"""An installation in a folder: the configuration of the one job, which changes, and a run of it in this process."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd.attempt import Stop
from syncd.config.load import load
from syncd.config.settings import PartConfig, Settings
from syncd.errors import Cancelled
from syncd.jobs import JobService
from syncd.model.canonical import metadata_of
from syncd.model.fingerprint import fingerprint
from syncd.model.record import Fingerprint
from syncd.model.run import Run, RunOptions
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.ports import Embedder, KnowledgeBase, Vectors
from syncd.runner import LEASE_TTL, Runner
from syncd.signals import answered
from syncd.state import State, is_alive, owner_id
from syncd.torture.changes import MARK
from syncd.torture.process import Trace
from syncd.torture.table import LOOKBACK, NAME, Row
from syncd.triggers import Triggers, Wish

KNOWLEDGE_BASE = "torture"
DIMENSION = 64
MOST_TOKENS = 16
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock that nothing moves: no sweep comes by itself, so that only chance decides."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What of the job's definition changes on the way."""

    template: str | None = None
    metadata: tuple[str, ...] = ("tag", "size")
    below: int | None = None
    window_rows: int = 40
    description: str = ""

    def changed(self, rng: random.Random) -> Setting:
        """Return another setting."""
        match rng.randrange(5):
            case 0:
                return replace(self, template=None if self.template else "{title}\n{body}")
            case 1:
                return replace(self, metadata=("tag",) if "size" in self.metadata else ("tag", "size"))
            case 2:
                return replace(self, below=None if self.below else rng.randint(60, 95))
            case 3:
                return replace(self, window_rows=rng.randint(10, 90))
            case _:
                return replace(self, description=f"number {rng.randrange(1000)}")

    def wanted(self, rows: dict[int, Row]) -> dict[str, Fingerprint]:
        """Return what a knowledge base has to hold of these rows: document ids and fingerprints."""
        found = {}
        for key, row in rows.items():
            text = self.text(row)
            if text and (self.below is None or (row["size"] is not None and row["size"] < self.below)):
                metadata = {name: metadata_of(row[name]) for name in (*self.metadata, "f")}
                found[f"db.{NAME}:{key}"] = fingerprint(text, metadata)
        return found

    def text(self, row: Row) -> str:
        """Return the text of a row; empty where there is nothing to embed."""
        held = {name: row[name] for name in ("title", "body") if (row[name] or "").strip()}
        if not held:
            return ""
        if self.template is not None:
            return self.template.format(title=held.get("title", ""), body=held.get("body", ""))
        return "\n".join(f"{name}: {text}" for name, text in held.items())


@dataclass(frozen=True, slots=True)
class Plan:
    """How one run shall end.

    Args:
        step: at which step, None for none.
        count: at which time that it is reached.
        ending: the signal: SIGKILL, or SIGTERM for an orderly stop.
    """

    step: str | None = None
    count: int = 1
    ending: signal.Signals = signal.SIGKILL

    def hook(self, trace: Trace) -> Callable[[str], None]:
        """Return what is told of every step."""
        left = self.count

        def reached(step: str) -> None:
            nonlocal left
            trace.tell(step=step)
            if step == self.step:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), self.ending)

        return reached


class _Counting(Plugins):
    """The built-in plugins, with an embedder that tells how many texts it is given."""

    def __init__(self, trace: Trace) -> None:
        super().__init__([])
        self._trace = trace

    def embedder(self, config: PartConfig) -> Embedder:
        return _CountingEmbedder(super().embedder(config), self._trace)


@dataclass(slots=True)
class _CountingEmbedder:
    """Counts the texts that a run asks for, without the two by which each process tries an embedder's order once."""

    embedder: Embedder
    trace: Trace
    last: Sequence[str] = ()
    tried: bool = False

    @property
    def fingerprint(self) -> str:
        return self.embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        return self.embedder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not self.tried and len(texts) == 2 and texts[1:] == list(self.last[:1]) and texts[0] in self.last[1:]:
            self.tried = True
        else:
            self.trace.tell(embedded=sum(text.count(MARK) for text in texts))
        self.last = texts
        return self.embedder.embed(texts)


class _Told(logging.Handler):
    """Puts warnings into the trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.WARNING)
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self._trace.tell(warning=record.getMessage(), logger=record.name)


@dataclass(frozen=True, slots=True)
class Installation:
    """State, knowledge base and configuration in a folder.

    Args:
        url: the database.
        counts: whether its filter column is a counter.
    """

    folder: Path
    url: str
    counts: bool

    def configure(self, setting: Setting) -> None:
        """Write the configuration file. The URL, which may hold a password, stays out of it."""
        job: dict[str, Any] = {
            "source_table": f"db.{NAME}",
            "kb_name": KNOWLEDGE_BASE,
            "content_columns": ["title", "body"],
            "metadata_columns": list(setting.metadata),
            "filter_column": "f",
            "filters": [] if setting.below is None else [{"column": "size", "op": "lt", "value": setting.below}],
            "interval": "1 HOURS",
            "lookback": LOOKBACK if self.counts else "1 SECOND",
            "deletes": {"mode": "sweep"},
            "window_rows": setting.window_rows,
            "description": setting.description,
        }
        if setting.template is not None:
            job["template"] = setting.template
        store = {
            "type": "chroma",
            "path": str(self.folder / "kb"),
            "embedder": {"type": "hashing", "dimension": DIMENSION},
            "chunking": {"max_tokens": MOST_TOKENS, "overlap": 0},
        }
        whole = {
            "state": f"sqlite:///{self.folder / 'state.db'}",
            "databases": {"db": "${DATABASE}"},
            "knowledge_bases": {KNOWLEDGE_BASE: store},
            "jobs": {NAME: job},
        }
        draft = self.folder / "draft"
        draft.write_text(json.dumps(whole))
        draft.rename(self.folder / "syncd.yaml")

    def open(self, trace: Trace) -> tuple[Settings, Parts]:
        """Read the configuration, and make the parts that it names."""
        plugins = _Counting(trace)
        settings = load(self.folder / "syncd.yaml", {"DATABASE": self.url}, plugins.options_for)
        logging.getLogger().handlers = [_Told(trace)]
        return settings, Parts(settings, plugins, {"pid": str(os.getpid()), "role": "syncd torture"})

    def run(
        self,
        trace: Trace,
        number: int,
        plan: Plan = Plan(),
        *,
        sweep: bool = False,
        then: Callable[[KnowledgeBase], Any] = lambda _: None,
    ) -> Any:
        """Run the job once in this process, as the command line does.

        Args:
            trace: told of each step, each text that is embedded, and how the run ended.
            number: how many seconds the clock has gone on.
            sweep: whether the whole table is compared.
            then: asked about the knowledge base afterwards; what it answers is returned.
        """
        settings, parts = self.open(trace)
        stop = Stop()
        asked = Cancelled("it was asked to stop")
        # In this order: a store that a kill has left open is examined in a fork, which wants no thread beside it.
        with parts.target(KNOWLEDGE_BASE) as target, answered((signal.SIGTERM,), lambda _: stop.ask(asked)):
            run = _run(settings, parts, stop, trace, number, plan, RunOptions(sweep=sweep))
            trace.tell(run=str(run.status), error=run.error)
            answer = then(target.knowledge_base)
        parts.close()
        return answer

    def look(self, trace: Trace, at: Callable[[KnowledgeBase], Any]) -> Any:
        """Open the knowledge base in this process, and return what is found there."""
        _, parts = self.open(trace)
        with parts.target(KNOWLEDGE_BASE) as target:
            answer = at(target.knowledge_base)
        parts.close()
        return answer


def _run(
    settings: Settings, parts: Parts, stop: Stop, trace: Trace, number: int, plan: Plan, options: RunOptions
) -> Run:
    def clock() -> datetime:
        return BEGUN + timedelta(seconds=number)

    state = State.open(settings.state.get_secret_value())
    state.leases.recover(clock(), is_alive)
    JobService(state, clock).reconcile(settings.jobs)
    job = state.jobs.get(NAME)
    withheld = state.sweeps.get(job.id)
    if withheld is not None and withheld.withheld:
        # Here rows are deleted in earnest, and whoever deletes them would say so.
        state.sweeps.approve(job.id, None, clock())
    run = Triggers(state, clock).ask(job, Wish(options))
    claimed = state.leases.claim(owner_id(), clock(), LEASE_TTL, run.number)
    assert claimed is not None, "the job is somebody else's"
    ended = Runner(state, parts, clock, plan.hook(trace), pause=lambda *_: None).execute(*claimed, stop)
    state.close()
    return ended
