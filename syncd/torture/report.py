"""What happened, and what is wrong: nothing, or it was not survived."""

from __future__ import annotations

import re
import signal
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from syncd.torture.comparison import Findings
from syncd.torture.process import Ended

AT_RANDOM = "at random"

_HEALED = re.compile(r"documents were recovered, (\d+|an unknown number) will be embedded again")


@dataclass
class Report:
    """The story of a torture.

    Args:
        seed: makes the same choices again.
        subject: what was tormented.
        database: the kind of database that its table was in.
        kills: by the step at which they came.
        stops: orderly ones.
        completed: runs that came to their end.
        guarded: sweeps that waited for approval, and got it.
        failed: why others did not.
        healed: stores that a kill damaged for good, and that were rebuilt from their second copy.
        changed: how many texts there were to embed.
        embedded: how many were embedded.
        in_flight: how many of them a kill cut off before they were written.
        lost_to_damage: how many documents damaged stores may have held.
        inspections: runs after which all that a pass can see was looked for, without a sweep.
        missed: what was not there then.
    """

    seed: int
    subject: str
    database: str
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    stops: int = 0
    completed: int = 0
    guarded: int = 0
    failed: list[str] = field(default_factory=list)
    healed: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    late: int = 0
    reconfigurations: int = 0
    changed: int = 0
    embedded: int = 0
    in_flight: int = 0
    lost_to_damage: int = 0
    inspections: int = 0
    missed: list[str] = field(default_factory=list)
    documents: int = 0
    chunks: int = 0
    findings: Findings = field(default_factory=Findings)
    seconds: float = 0.0

    @property
    def killed(self) -> int:
        """How many kills there were."""
        return self.kills.total()

    @property
    def repeated(self) -> int:
        """How many texts were embedded that need not have been, whatever was cut off and damaged."""
        return max(0, self.embedded - self.changed - self.in_flight - self.lost_to_damage)

    @property
    def wrong(self) -> dict[str, int]:
        """What ought to be 0, by name."""
        return {
            **self.findings.counts(),
            "missed by a pass": len(self.missed),
            "embedded without need": self.repeated,
            "runs that failed": len(self.failed),
        }

    @property
    def survived(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.wrong.values())

    def note(self, ended: Ended, step: str | None, documents: int) -> None:
        """Take down how a run ended.

        Args:
            step: at which a kill was planned; None where it was not, or came at a random moment.
            documents: how many the table has at the moment.
        """
        self.runs += 1
        self.embedded += sum(ended.told("embedded"))
        healed = [found for text in ended.told("warning") if (found := _HEALED.search(text))]
        self.healed += len(healed)
        self.lost_to_damage += sum(int(found[1]) if found[1].isdecimal() else documents for found in healed)
        if ended.hung:
            self.failed.append(f"a run hung after {ended.events[-1:]}")
        elif ended.killed:
            self.kills[step or AT_RANDOM] += 1
            self.in_flight += _cut_off(ended)
        elif ended.status == -signal.SIGTERM:
            self.stops += 1
        elif ended.status or not (status := ended.told("run")):
            # The last line of a traceback says what happened; the others name files of this machine.
            self.failed += [text.strip().splitlines()[-1] for text in ended.told("trouble")] or [
                f"exit status {ended.status}"
            ]
        elif status == ["canceled"]:
            self.stops += 1
        elif status == ["completed"]:
            self.completed += 1
        elif "a sweep would remove" in (ended.told("error")[0] or ""):
            self.guarded += 1
        else:
            self.failed.append(f"{status[0]}: {ended.told('error')[0]}")

    def as_data(self) -> dict[str, Any]:
        """Return the story for programs."""
        return {
            "subject": self.subject,
            "database": self.database,
            "seed": self.seed,
            "survived": self.survived,
            "seconds": round(self.seconds, 1),
            "kills": dict(self.kills),
            "killed": self.killed,
            "runs": {"completed": self.completed, "stopped": self.stops, "approved": self.guarded, "all": self.runs},
            "changes": dict(self.changes),
            "late_commits": self.late,
            "reconfigurations": self.reconfigurations,
            "inspections": self.inspections,
            "stores_healed": self.healed,
            "documents": self.documents,
            "chunks": self.chunks,
            "texts": {
                "changed": self.changed,
                "embedded": self.embedded,
                "cut_off_by_kills": self.in_flight,
                "in_damaged_stores": self.lost_to_damage,
            },
            "wrong": self.wrong,
            "examples": self.findings.examples() | {"missed": self.missed[:5], "failed": self.failed[:5]},
        }


def _cut_off(ended: Ended) -> int:
    """Return how many texts had been embedded and not yet been acknowledged."""
    # While one batch is written the next is embedded.
    waiting: deque[int] = deque()
    embedding = 0
    for event in ended.events:
        embedding += event.get("embedded", 0)
        match event.get("step"):
            case "embedded":
                waiting.append(embedding)
                embedding = 0
            case "written" if waiting:
                waiting.popleft()
            case "written":
                embedding = 0
    return embedding + sum(waiting)
