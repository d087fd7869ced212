"""Makes the parts that a configuration names, and keeps open what is dear: models and knowledge bases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from syncd.config.settings import KnowledgeBaseConfig, PartConfig, Settings
from syncd.errors import DefinitionRefused, Fault, NotFound, SyncError, TransientError
from syncd.model.identity import document_prefix
from syncd.model.job import Job, JobDefinition
from syncd.model.record import Match, Metadata
from syncd.plugins import Plugins
from syncd.ports import Chunker, Embedder, KnowledgeBase, Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """An open knowledge base with what fills it."""

    embedder: Embedder
    chunker: Chunker
    knowledge_base: KnowledgeBase


@dataclass(slots=True)
class _Entry:
    config: KnowledgeBaseConfig
    target: Target
    users: int = 0
    suspect: bool = False


class Parts:
    """Opens each knowledge base once, however many runs and searches use it.

    Args:
        settings: the configuration.
        plugins: the classes behind its types.
        holder: who opens knowledge bases, for the message of a lock.
    """

    def __init__(self, settings: Settings, plugins: Plugins, holder: Mapping[str, str]) -> None:
        self._settings = settings
        self._plugins = plugins
        self._holder = holder
        self._entries: dict[str, _Entry] = {}
        self._embedders: list[tuple[PartConfig, Embedder]] = []
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}

    def configure(self, settings: Settings) -> None:
        """Use new settings from now on; a knowledge base that is open keeps its own until it is closed."""
        with self._lock:
            for name, entry in self._entries.items():
                if settings.knowledge_bases.get(name) != entry.config:
                    log.warning("knowledge base %s is configured anew: restart to apply it", name)
            self._settings = settings

    def names(self) -> tuple[str, ...]:
        """Return the knowledge bases of the configuration."""
        return tuple(self._settings.knowledge_bases)

    def source(self, job: JobDefinition) -> Source:
        """Make the source of a job; the caller closes it.

        Raises:
            NotFound: the configuration has no such database.
        """
        config = self._settings.databases.get(job.database)
        if config is None:
            raise NotFound(f"there is no database {job.database!r} in the configuration")
        return self._plugins.source(config, job)

    def examine(self, definition: JobDefinition) -> list[Fault]:
        """Look for what is wrong with a definition in what it names: database, table, columns, knowledge base.

        Raises:
            SyncdError: something else keeps the database from being read.
        """
        faults = []
        if definition.kb_name not in self._settings.knowledge_bases:
            known = ", ".join(self._settings.knowledge_bases) or "none"
            faults.append(
                Fault("kb_name", f"there is no knowledge base {definition.kb_name!r}; there are: {known}", "INVALID_KB")
            )
        if definition.database not in self._settings.databases:
            known = ", ".join(self._settings.databases) or "none"
            message = f"there is no database {definition.database!r}; there are: {known}"
            return [*faults, Fault("source_table", message, "INVALID_TABLE")]
        source = self.source(definition)
        try:
            source.check()
        except DefinitionRefused as error:
            faults += error.faults
        except SyncError as error:
            faults.append(Fault("source_table", f"cannot be read: {error}", "INVALID_TABLE"))
        finally:
            source.close()
        return faults

    @contextmanager
    def target(self, name: str) -> Iterator[Target]:
        """Lend an open knowledge base; after a failure that may come from the store, the next one to ask opens it anew.

        Raises:
            NotFound: the configuration has no such knowledge base.
            InUse: another process owns it.
        """
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:
            entry = self._entry(name)
            with self._lock:
                entry.users += 1
        try:
            yield entry.target
        except TransientError:
            entry.suspect = True
            raise
        finally:
            with opening, self._lock:
                entry.users -= 1
                if entry.suspect and entry.users == 0 and self._entries.get(name) is entry:
                    del self._entries[name]
                    entry.target.knowledge_base.close()

    def search(self, name: str, text: str, k: int, where: Metadata) -> list[Match]:
        """Find the chunks of a knowledge base that are nearest in meaning to a text.

        Args:
            name: the knowledge base.
            text: what to look for.
            k: how many chunks at most.
            where: metadata that they must equal.
        """
        with self.target(name) as target:
            [vector] = target.embedder.embed([text]).tolist()
            return target.knowledge_base.search(vector, k, where)

    def purge(self, job: Job) -> None:
        """Remove every document of a job's table from its knowledge base."""
        with self.target(job.definition.kb_name) as target:
            for ids in list(target.knowledge_base.document_ids(document_prefix(job.definition.source_table))):
                target.knowledge_base.delete(ids)

    def close(self) -> None:
        """Close every knowledge base and let go of its lock; one that is still in use is closed by its last user."""
        with self._lock, ExitStack() as closing:
            for name, entry in list(self._entries.items()):
                entry.suspect = True
                if entry.users == 0:
                    del self._entries[name]
                    closing.callback(entry.target.knowledge_base.close)

    def _entry(self, name: str) -> _Entry:
        with self._lock:
            entry = self._entries.get(name)
            config = self._settings.knowledge_bases.get(name)
        if entry is not None:
            return entry
        if config is None:
            raise NotFound(f"there is no knowledge base {name!r} in the configuration")
        embedder = self._embedder(config.embedder)
        chunker = self._plugins.chunker(config.chunking, embedder)
        embedding = f"{embedder.fingerprint} {chunker.fingerprint}"
        store = self._plugins.knowledge_base(name, config.store, embedding, self._holder)
        entry = _Entry(config, Target(embedder, chunker, store))
        with self._lock:
            self._entries[name] = entry
        return entry

    def _embedder(self, config: PartConfig) -> Embedder:
        with self._lock:
            for known, embedder in self._embedders:
                if known == config:
                    return embedder
            embedder = self._plugins.embedder(config)
            self._embedders.append((config, embedder))
            return embedder
