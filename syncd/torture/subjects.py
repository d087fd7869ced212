"""What is tormented: syncd, or the loop that most people write first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from syncd.model.record import Fingerprint
from syncd.ports import KnowledgeBase
from syncd.torture.comparison import NEAREST, Chunk, Documents, Findings, Vector, compare, documents, missed
from syncd.torture.installation import Installation, Plan, Setting
from syncd.torture.naive import NaiveLoop
from syncd.torture.process import Ended, Trace, forked

Wanted = Mapping[str, Fingerprint]

OPENINGS = 4
"""An embedded Chroma rebuilds what it has not persisted of its index at each opening, and may miss a vector that the
next opening finds. What is lost is missed by all of them."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Killing:
    """When a run is ended: as planned, and in any case after so many seconds; None for never."""

    plan: Plan = Plan()
    after: float | None = None


class Unsettled(Exception):
    """What nobody disturbed did not do its work."""


class Subject(Protocol):
    """Keeps something in step with the table, one run at a time, each in a process of its own."""

    def configure(self, setting: Setting) -> None:
        """Use this definition from now on."""
        ...

    def run(self, killing: Killing = ..., *, sweep: bool = ..., meanwhile: Callable[[], None] = ...) -> Ended:
        """Run once; `meanwhile` is done in this process while it goes on."""
        ...

    def inspect(self, wanted: Wanted) -> Ended:
        """Run once without a sweep; the answer is which of these documents are not held as wanted."""
        ...

    def look(self) -> Ended:
        """Return all that is held, and what of it is not found by its own vector."""
        ...

    def anew(self) -> Subject:
        """Return one that holds nothing yet, with the same definition."""
        ...


def against_a_new_one(subject: Subject, wanted: Wanted | None) -> tuple[Findings, Documents]:
    """Compare all that is held with what a new one holds after one run; return what is wrong, and all that is held.

    Args:
        wanted: see `compare`.
    """
    rebuilt = subject.anew()
    require(rebuilt.run())
    held, unreachable = require(subject.look()).answer
    found = compare(held, require(rebuilt.look()).answer[0], wanted)
    for _ in range(OPENINGS - 1):
        if unreachable:
            unreachable &= require(subject.look()).answer[1]
    found.unreachable = sorted(f"{id_}#{number}" for id_, number in unreachable)
    return found, held


def require(ended: Ended) -> Ended:
    """Return it.

    Raises:
        Unsettled: it did not end well.
    """
    if ended.status != 0 or any(status != "completed" for status in ended.told("run")):
        raise Unsettled(f"a run that nobody disturbed ended with {ended.status}: {ended.events[-5:]}")
    return ended


@dataclass
class Syncd:
    """syncd, with its state and its knowledge base in a folder."""

    installation: Installation
    setting: Setting = Setting()
    runs: int = 0

    def configure(self, setting: Setting) -> None:
        self.setting = setting
        self.installation.configure(setting)

    def run(
        self, killing: Killing = Killing(), *, sweep: bool = False, meanwhile: Callable[[], None] = _nothing
    ) -> Ended:
        self.runs += 1
        return forked(
            lambda trace: self.installation.run(trace, self.runs, killing.plan, sweep=sweep),
            self.installation.folder / "trace",
            kill_after=killing.after,
            meanwhile=meanwhile,
        )

    def inspect(self, wanted: Wanted) -> Ended:
        def look(knowledge_base: KnowledgeBase) -> list[str]:
            held = knowledge_base.fingerprints(list(wanted))
            return [id_ for id_ in wanted if held.get(id_) != wanted[id_]]

        self.runs += 1
        return forked(
            lambda trace: self.installation.run(trace, self.runs, then=look), self.installation.folder / "trace"
        )

    def look(self) -> Ended:
        return forked(lambda trace: self.installation.look(trace, _all), self.installation.folder / "trace")

    def anew(self) -> Syncd:
        folder = self.installation.folder / "rebuilt"
        folder.mkdir()
        rebuilt = Syncd(replace(self.installation, folder=folder))
        rebuilt.configure(self.setting)
        return rebuilt


def _all(knowledge_base: KnowledgeBase) -> tuple[Documents, set[Chunk]]:
    def near(vectors: Sequence[Vector]) -> list[list[Chunk]]:
        found = knowledge_base.neighbours(vectors, NEAREST)
        return [[(one.document_id, one.number) for one in answer] for answer in found]

    held = documents(knowledge_base)
    return held, missed(held, near)


@dataclass
class Naive:
    """The naive loop, with its collection in a folder."""

    folder: Path
    url: str
    setting: Setting = field(default_factory=Setting)

    def configure(self, setting: Setting) -> None:
        self.setting = setting

    def run(
        self, killing: Killing = Killing(), *, sweep: bool = False, meanwhile: Callable[[], None] = _nothing
    ) -> Ended:
        def work(trace: Trace) -> None:
            NaiveLoop(self.folder, self.url).sync(self.setting, killing.plan.hook(trace))
            trace.tell(run="completed")

        ended = forked(work, self.folder / "trace", kill_after=killing.after, meanwhile=meanwhile)
        if "hnsw" in str(ended.told("trouble")):
            self._start_again()
        return ended

    def inspect(self, wanted: Wanted) -> Ended:
        return self.run()

    def look(self) -> Ended:
        def work(_: Trace) -> tuple[Documents, set[Chunk]]:
            loop = NaiveLoop(self.folder, self.url)
            held = loop.documents()
            return held, missed(held, loop.near)

        return forked(work, self.folder / "trace")

    def anew(self) -> Naive:
        folder = self.folder / "rebuilt"
        folder.mkdir()
        return Naive(folder, self.url, self.setting)

    def _start_again(self) -> None:
        """Do what a person has to do whose store does not open any more."""
        shutil.rmtree(self.folder / "kb")
        (self.folder / "largest.json").unlink(missing_ok=True)
