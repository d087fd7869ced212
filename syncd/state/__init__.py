"""What syncd remembers: jobs, runs, leases, checkpoints, dead letters and events, in SQLite or PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from syncd.state.checkpoints import Checkpoints
from syncd.state.database import Database
from syncd.state.dead_letters import DeadLetters
from syncd.state.events import Event, Events
from syncd.state.jobs import Jobs
from syncd.state.knowledge_bases import KnowledgeBases
from syncd.state.leases import Leases
from syncd.state.owner import is_alive, owner_id
from syncd.state.runs import Runs

__all__ = ["Event", "State", "is_alive", "owner_id"]


@dataclass(frozen=True, slots=True)
class State:
    """The whole state, safe to share between threads."""

    jobs: Jobs
    runs: Runs
    leases: Leases
    checkpoints: Checkpoints
    dead_letters: DeadLetters
    events: Events
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
            runs=Runs(database),
            leases=Leases(database),
            checkpoints=Checkpoints(database),
            dead_letters=DeadLetters(database),
            events=Events(database),
            knowledge_bases=KnowledgeBases(database),
            _database=database,
        )

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
