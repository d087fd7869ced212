"""Rounds of changes, runs and kills, until there have been as many kills as were asked for; then the comparison."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from syncd.model.record import Fingerprint
from syncd.tally import STEPS
from syncd.torture.changes import Changes
from syncd.torture.installation import Plan, Setting
from syncd.torture.process import Ended
from syncd.torture.report import Report
from syncd.torture.subjects import Killing, Subject, Unsettled, against_a_new_one, require

ROWS = 120


@dataclass
class Rounds:
    """Torments a subject.

    Args:
        subject: what is tormented.
        changes: of its table.
        rng: chooses what happens.
        report: filled on the way.
        told: called now and then with a line about how far it is.
    """

    subject: Subject
    changes: Changes
    rng: random.Random
    report: Report
    told: Callable[[str], None]
    setting: Setting = Setting()
    _seconds: float = 1.0
    _seen: dict[str, str] = field(default_factory=dict)

    def torment(self, kills: int, seconds: float) -> None:
        """Go on until there have been so many kills or so many seconds, then compare."""
        begun = time.monotonic()
        self.subject.configure(self.setting)
        self.changes.fill(ROWS)
        while self.report.killed < kills and time.monotonic() - begun < seconds and len(self.report.failed) < 10:
            self._round()
            if self.report.runs % 50 == 0:
                self.told(f"{self.report.killed} kills, {self.report.runs} runs, {time.monotonic() - begun:.0f} s")
        try:
            self._settle()
        except Unsettled as error:
            self.report.failed.append(str(error))
        self.report.seconds = time.monotonic() - begun

    def _round(self) -> None:
        self.changes.settle()
        self.changes.some(12)
        if self.rng.random() < 0.06:
            self._reconfigure()
        if self.rng.random() < 0.08:
            self._inspect()
            return
        sweep = self.rng.random() < 0.35
        busy = self.rng.random() < 0.3
        silent = set(self.changes.silent)
        self._look()
        killing = self._killing()
        meanwhile = self._meanwhile if busy else (lambda: None)
        step = killing.plan.step if killing.after is None else None
        ended = self._note(self.subject.run(killing, sweep=sweep, meanwhile=meanwhile), step)
        if sweep and ended.told("run") == ["completed"] and not busy:
            self.changes.silent -= silent

    def _killing(self) -> Killing:
        draw = self.rng.random()
        if draw < 0.3:
            return Killing(after=self.rng.uniform(0.0, self._seconds * 1.1))
        ending = signal.SIGTERM if draw > 0.93 else signal.SIGKILL
        return Killing(Plan(self.rng.choice(STEPS), self.rng.choice((1, 1, 1, 2, 3)), ending))

    def _reconfigure(self) -> None:
        self.setting = self.setting.changed(self.rng)
        self.subject.configure(self.setting)
        self.report.reconfigurations += 1

    def _inspect(self) -> None:
        """Between two sweeps, every change that moved its filter column is there after one run."""
        self.changes.newest()
        rows = self.changes.table.rows()
        visible = self.setting.wanted({key: row for key, row in rows.items() if key not in self.changes.silent})
        self._look()
        ended = self._note(self.subject.inspect(visible))
        self.report.inspections += 1
        self.report.missed += ended.answer or []

    def _settle(self) -> None:
        self.changes.settle(now=True)
        self._look()
        # The first one may ask whether it may remove so much.
        self._note(self.subject.run(sweep=True))
        self._note(require(self.subject.run(sweep=True)))
        self.report.findings, held = against_a_new_one(
            self.subject, self._wanted() if self.report.subject == "syncd" else None
        )
        self.report.documents = len(held)
        self.report.chunks = sum(len(one.chunks) for one in held.values())
        self.report.changes = self.changes.done
        self.report.late = self.changes.late

    def _look(self) -> None:
        """Count the texts that are there to embed since the last look."""
        now = {id_: one.content for id_, one in self._wanted().items()}
        self.report.changed += sum(1 for id_, content in now.items() if self._seen.get(id_) != content)
        self._seen = now

    def _meanwhile(self) -> None:
        before = self.changes.texts
        self.changes.some(4)
        # Whatever a run may have seen of these, later ones hide from the next look.
        self.report.changed += self.changes.texts - before

    def _wanted(self) -> dict[str, Fingerprint]:
        return self.setting.wanted(self.changes.table.rows())

    def _note(self, ended: Ended, step: str | None = None) -> Ended:
        self.report.note(ended, step, len(self._wanted()))
        if ended.told("run") == ["completed"]:
            self._seconds = 0.7 * self._seconds + 0.3 * ended.seconds
        return ended
