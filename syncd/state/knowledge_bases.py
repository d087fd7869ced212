"""Knowledge bases that were made through the API; those of the configuration file are not kept here."""

from __future__ import annotations

import builtins
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from syncd.errors import Conflict, Unavailable
from syncd.model.job import JobDefinition
from syncd.model.knowledge_base import KeptKnowledgeBase, KnowledgeBaseDefinition
from syncd.state.database import Database
from syncd.state.events import append
from syncd.state.schema import jobs, knowledge_bases


class KnowledgeBases:
    """The definitions of knowledge bases, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> builtins.list[KeptKnowledgeBase]:
        """Return all of them in the order of their names."""
        query = sa.select(knowledge_bases).order_by(knowledge_bases.c.name)
        return self._database.read(lambda connection: [_kept(row) for row in connection.execute(query)])

    def add(self, name: str, definition: KnowledgeBaseDefinition, now: datetime, most: int) -> None:
        """Keep a definition.

        Args:
            most: how many there may be with it.

        Raises:
            Conflict: the name is taken, or there are too many.
        """

        def work(connection: sa.Connection) -> None:
            statement = self._database.upsert(knowledge_bases).values(
                name=name, definition=definition.model_dump_json(exclude_defaults=True), created_at=now
            )
            # Another process may take the name between a look and the insertion.
            added = connection.execute(statement.on_conflict_do_nothing().returning(knowledge_bases.c.name))
            if added.one_or_none() is None:
                raise Conflict(f"there is a knowledge base {name!r} already", "choose another name")
            if connection.execute(sa.select(sa.func.count()).select_from(knowledge_bases)).scalar_one() > most:
                raise Conflict(f"there are {most} knowledge bases already", "remove one that is no longer needed")
            append(connection, None, "knowledge_base_created", name, now)

        self._database.write(work)

    def remove(self, name: str, now: datetime) -> None:
        """Forget a definition; one that is not there stays so.

        Raises:
            Conflict: a job that has not ended fills it.
        """

        def work(connection: sa.Connection) -> None:
            for row in connection.execute(sa.select(jobs).where(jobs.c.ended.is_(None)).order_by(jobs.c.name)):
                definition = JobDefinition.model_validate_json(row.definition)
                if definition.kb_name == name and not definition.schedule.ended(now):
                    raise Conflict(f"the job {row.name} fills the knowledge base {name}", "end the job first")
            if connection.execute(sa.delete(knowledge_bases).where(knowledge_bases.c.name == name)).rowcount:
                append(connection, None, "knowledge_base_removed", name, now)

        self._database.write(work)


def _kept(row: sa.Row[tuple[object, ...]]) -> KeptKnowledgeBase:
    try:
        definition = KnowledgeBaseDefinition.model_validate_json(row.definition)
    except ValidationError as error:
        raise Unavailable(
            f"this program cannot read the definition of the knowledge base {row.name!r} in the state",
            "use the version of syncd that wrote it",
        ) from error
    return KeptKnowledgeBase(row.name, definition, row.created_at)
