"""Makes the parts that a configuration names, and keeps open what is dear: models and knowledge bases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from syncd.config.kept import merge
from syncd.config.settings import KnowledgeBaseConfig, PartConfig, Settings
from syncd.embed.checked import CheckedEmbedder
from syncd.errors import Conflict, DefinitionRefused, Fault, NotFound, SyncError, TransientError
from syncd.model.identity import document_prefix
from syncd.model.job import Job, JobDefinition
from syncd.model.knowledge_base import KeptKnowledgeBase
from syncd.model.record import Match, Metadata
from syncd.plugins import Plugins
from syncd.ports import Catalog, Embedder, Source
from syncd.shelf import Shelf, Target, embedding_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    config: KnowledgeBaseConfig
    shelf: Shelf
    users: int = 0
    suspect: bool = False


class Parts:
    """Opens each knowledge base once, however many runs and searches use it.

    Args:
        settings: the configuration.
        plugins: the classes behind its types.
        holder: who opens knowledge bases, for the message of a lock.
        kept: the knowledge bases that were made through the API.
    """

    def __init__(
        self, settings: Settings, plugins: Plugins, holder: Mapping[str, str], kept: Iterable[KeptKnowledgeBase] = ()
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._holder = holder
        self._kept = tuple(kept)
        self._leaving: set[str] = set()
        self._bases: Mapping[str, KnowledgeBaseConfig] = {}
        self._left_out: Mapping[str, str] = {}
        self._entries: dict[str, _Entry] = {}
        self._embedders: list[tuple[PartConfig, Embedder]] = []
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._merge()

    def configure(self, settings: Settings) -> None:
        """Use new settings from now on; a knowledge base that is open keeps its own until it is closed."""
        with self._lock:
            for name, entry in self._entries.items():
                known = self._settings.knowledge_bases.get(name) == entry.config
                if known and settings.knowledge_bases.get(name) != entry.config:
                    log.warning("knowledge base %s is configured anew: restart to apply it", name)
            self._settings = settings
            self._merge()

    def keep(self, kept: Iterable[KeptKnowledgeBase]) -> None:
        """Use these knowledge bases of the API from now on, and close those that are no more."""
        with self._lock:
            before, self._kept = self._kept, tuple(kept)
            if self._kept == before and not self._leaving:
                return
            self._leaving.clear()
            self._merge()
            gone = {one.name for one in before} - set(self._bases)
        for name in gone:
            with self._opened(name) as entry:
                if entry is not None:
                    entry.suspect = True

    def names(self) -> tuple[str, ...]:
        """Return the knowledge bases that there are."""
        return tuple(self._bases)

    def knowledge_bases(self) -> Mapping[str, KnowledgeBaseConfig]:
        """Return the knowledge bases of the configuration, and those of the API that can be used beside them."""
        return self._bases

    def left_out(self) -> Mapping[str, str]:
        """Say of knowledge bases of the API why they cannot be used, by name."""
        return self._left_out

    def databases(self) -> Mapping[str, str]:
        """Return the databases of the configuration by name, each with its kind; none of them is asked."""
        found = {}
        for name, config in self._settings.databases.items():
            catalog = self._plugins.catalog(name, config)
            found[name] = config.type if catalog is None else catalog.dialect
        return found

    @contextmanager
    def browse(self, name: str) -> Iterator[Catalog]:
        """Lend what looks around in a database.

        Raises:
            NotFound: the configuration has no such database, or one of a type that offers no look.
        """
        config = self._settings.databases.get(name)
        if config is None:
            raise NotFound(f"there is no database {name[:128]!r} in the configuration", "GET /v1/databases lists them")
        catalog = self._plugins.catalog(name, config)
        if catalog is None:
            raise NotFound(f"a database of the type {config.type} has no tables to look at")
        with closing(catalog):
            yield catalog

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
    def shelf(self, name: str) -> Iterator[Shelf]:
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
        with self._returned(name, entry):
            yield entry.shelf

    @contextmanager
    def target(self, name: str) -> Iterator[Target]:
        """Lend the generation of a knowledge base that runs fill.

        Raises:
            OtherEmbedding: another embedding fills it.
            SyncdError: as `shelf`.
        """
        with self.shelf(name) as shelf:
            yield shelf.target()

    def count(self, name: str) -> int:
        """Count the chunks of the generation that runs fill; the knowledge base is opened only where it must be.

        Raises:
            SyncdError: as `target`.
        """
        if (config := self._bases.get(name)) is not None and name not in self._entries:
            embedder = self._embedder(config.embedder)
            embedding = embedding_of(embedder, self._plugins.chunker(config.chunking, embedder))
            found = self._plugins.count_unopened(name, config.store, embedding, self._holder)
            if found is not None:
                return found
        with self.target(name) as target:
            return target.knowledge_base.count()

    @contextmanager
    def opened(self, name: str) -> Iterator[Shelf | None]:
        """Lend a knowledge base if it is open; None where it is not, and it stays so."""
        with self._opened(name) as entry:
            yield None if entry is None else entry.shelf

    def is_outdated(self, name: str) -> bool:
        """Tell whether a knowledge base is open by another configuration than today's, which a restart applies."""
        with self._lock:
            entry = self._entries.get(name)
            return entry is not None and entry.config != self._bases.get(name)

    def is_stored(self, name: str, store: PartConfig) -> bool:
        """Tell whether something is kept already where a knowledge base would be made. Raises as `target`."""
        return self._plugins.is_stored(name, store)

    def remove(self, name: str) -> None:
        """Close a knowledge base and remove all that it holds; nobody can open it before the next `keep`.

        Raises:
            NotFound: there is none.
            Conflict: it is in use.
            InUse: another process owns it.
        """
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:
            with self._lock:
                config, entry = self._bases.get(name), self._entries.get(name)
                if config is None:
                    raise NotFound(f"there is no knowledge base {name!r}")
                if entry is not None and entry.users:
                    raise Conflict(
                        f"the knowledge base {name} is in use", "try again when its runs and searches have ended"
                    )
                self._leaving.add(name)
                self._entries.pop(name, None)
                self._merge()
            if entry is not None:
                entry.shelf.close()
            self._plugins.remove_knowledge_base(name, config.store, self._holder)

    def search(self, name: str, text: str, k: int, where: Metadata) -> list[Match]:
        """Find the chunks of a knowledge base that are nearest in meaning to a text.

        Args:
            name: the knowledge base.
            text: what to look for.
            k: how many chunks at most.
            where: metadata that they must equal.

        Raises:
            Unavailable: another embedder has filled it, which cannot be made again.
        """
        with self.shelf(name) as shelf:
            return shelf.search(text, k, where)

    def purge(self, job: Job) -> None:
        """Remove every document of a job's table from every generation of its knowledge base."""
        prefix = document_prefix(job.definition.source_table)
        with self.shelf(job.definition.kb_name) as shelf:
            for generation in shelf.generations():
                base = shelf.knowledge_base(generation.uuid)
                # A state that is restored to before this finds a knowledge base that has moved on.
                base.advance()
                for ids in list(base.document_ids(prefix)):
                    base.delete(ids)

    def close(self) -> None:
        """Close every knowledge base and let go of its lock; one that is still in use is closed by its last user."""
        with self._lock, ExitStack() as closing:
            for name, entry in list(self._entries.items()):
                entry.suspect = True
                if entry.users == 0:
                    del self._entries[name]
                    closing.callback(entry.shelf.close)

    def _entry(self, name: str) -> _Entry:
        with self._lock:
            entry = self._entries.get(name)
            config = self._bases.get(name)
        if entry is not None:
            return entry
        if config is None:
            raise NotFound(f"there is no knowledge base {name!r} in the configuration", self._left_out.get(name, ""))
        entry = _Entry(config, Shelf(name, config, self._plugins, self._embedder, self._holder))
        with self._lock:
            self._entries[name] = entry
        return entry

    @contextmanager
    def _opened(self, name: str) -> Iterator[_Entry | None]:
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                entry.users += 1
        if entry is None:
            yield None
            return
        with self._returned(name, entry):
            yield entry

    @contextmanager
    def _returned(self, name: str, entry: _Entry) -> Iterator[None]:
        """Take back what was lent, and close it if its last user was the one to wait for."""
        try:
            yield
        except TransientError:
            entry.suspect = True
            raise
        finally:
            with self._opening[name], self._lock:
                entry.users -= 1
                done = entry.users == 0 and (entry.suspect or entry.shelf.is_worn())
                if done and self._entries.get(name) is entry:
                    del self._entries[name]
                    entry.shelf.close()

    def _merge(self) -> None:
        kept = [one for one in self._kept if one.name not in self._leaving]
        merged = merge(self._settings.knowledge_bases, kept, self._plugins.options_for)
        for name, reason in merged.left_out.items():
            if self._left_out.get(name) != reason:
                log.warning("knowledge base %s, made through the API, waits and is not lost: %s", name, reason)
        self._bases, self._left_out = merged.found, merged.left_out
        used = [config.embedder for config in self._bases.values()]
        self._embedders = [(config, embedder) for config, embedder in self._embedders if config in used]

    def _embedder(self, config: PartConfig) -> Embedder:
        with self._lock:
            for known, embedder in self._embedders:
                if known == config:
                    return embedder
            embedder = CheckedEmbedder(self._plugins.embedder(config))
            self._embedders.append((config, embedder))
            return embedder
