"""What syncd remembers, in SQLite or PostgreSQL: jobs, their runs, how far they came, who may ask, whom to tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from syncd.state.breaches import Breaches
from syncd.state.checkpoints import Checkpoints
from syncd.state.database import Database
from syncd.state.dead_letters import DeadLetters
from syncd.state.deliveries import Deliveries
from syncd.state.events import Event, Events
from syncd.state.jobs import Jobs, JobVersion
from syncd.state.knowledge_bases import KnowledgeBases
from syncd.state.leases import Bounds, Leases
from syncd.state.owner import is_alive, owner_id
from syncd.state.queue import Queue
from syncd.state.run_lines import RunLine, RunLines
from syncd.state.runs import Runs
from syncd.state.sweeps import Sweeps
from syncd.state.tokens import Tokens
from syncd.state.webhooks import Webhooks

__all__ = ["Bounds", "Event", "JobVersion", "RunLine", "State", "is_alive", "owner_id"]


@dataclass(frozen=True, slots=True)
class State:
    """The whole state, safe to share between threads."""

    jobs: Jobs
    queue: Queue
    runs: Runs
    run_lines: RunLines
    leases: Leases
    checkpoints: Checkpoints
    sweeps: Sweeps
    dead_letters: DeadLetters
    events: Events
    tokens: Tokens
    webhooks: Webhooks
    deliveries: Deliveries
    breaches: Breaches
    knowledge_bases: KnowledgeBases
    _database: Database = field(repr=False)

    @classmethod
    def open(cls, url: str) -> State:
        """Open the state, make it when it is not there, and bring it to this program's schema.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/database`.

        Raises:
            ConfigError: the URL names no such database.
            Unavailable: the database does not answer, is damaged, or was written by a newer program.
        """
        database = Database.open(url)
        return cls(
            jobs=Jobs(database),
            queue=Queue(database),
            runs=Runs(database),
            run_lines=RunLines(database),
            leases=Leases(database),
            checkpoints=Checkpoints(database),
            sweeps=Sweeps(database),
            dead_letters=DeadLetters(database),
            events=Events(database),
            tokens=Tokens(database),
            webhooks=Webhooks(database),
            deliveries=Deliveries(database),
            breaches=Breaches(database),
            knowledge_bases=KnowledgeBases(database),
            _database=database,
        )

    @staticmethod
    def is_new(url: str) -> bool:
        """Tell whether nothing has been kept at this URL yet, and make nothing; a server is asked nothing.

        Raises:
            ConfigError: as `open`.
            Unavailable: the state's file is missing, and something shows that there was one.
        """
        return Database.is_new(url)

    @property
    def folder(self) -> Path | None:
        """The folder of the state's file; None where it is kept on a server."""
        return self._database.folder

    def ping(self) -> None:
        """Return when the state answers; changes nothing.

        Raises:
            Unavailable: it does not.
        """
        self._database.ping()

    def close(self) -> None:
        """Close every connection; the state is not used afterwards."""
        self._database.close()
