"""The knowledge bases that there are: those of the configuration file, and those that are made through the API."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from syncd.config.kept import KINDS, Section
from syncd.config.request import Request, read_request
from syncd.config.settings import KnowledgeBaseConfig, PartConfig
from syncd.errors import Conflict, Fault, Invalid, NotFound, PermanentError, SyncdError
from syncd.model.job import Job, Origin
from syncd.model.knowledge_base import KeptKnowledgeBase, KeptPart, KnowledgeBaseDefinition
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.state import State

log = logging.getLogger(__name__)

FOLDER = "knowledge_bases"
MOST = 100
"""How many knowledge bases the API may make: each that is open takes memory."""

_STORE = "chroma"
_DEFAULTS: Mapping[Section, str] = {"embedder": "sentence-transformers", "chunking": "text"}
_SAMPLE = "What cannot be embedded is told now."


@dataclass(frozen=True, slots=True)
class Opened:
    """What an open knowledge base says of itself.

    Args:
        embedding: the fingerprint of what fills it.
        chunks: how many it holds; None where its store does not answer.
    """

    embedding: str
    chunks: int | None


@dataclass(frozen=True, slots=True)
class Holding:
    """A knowledge base of the library.

    Args:
        jobs: the jobs that fill it and have not ended.
        opened: None where it is not open.
    """

    name: str
    config: KnowledgeBaseConfig
    jobs: tuple[Job, ...]
    opened: Opened | None


class Library:
    """The one place through which knowledge bases are looked at, made and removed while syncd runs.

    Args:
        state: remembers those of the API.
        parts: opens them.
        plugins: the classes behind their types.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, parts: Parts, plugins: Plugins, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._parts = parts
        self._plugins = plugins
        self._clock = clock
        self._changing = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of all, in order."""
        return sorted(self._parts.names())

    def look(self, names: Sequence[str]) -> list[Holding]:
        """Return these knowledge bases; none is opened for it, and names that are unknown are left out."""
        configs = self._parts.knowledge_bases()
        jobs = self._jobs()
        answering = True
        found = []
        for name in names:
            if (config := configs.get(name)) is None:
                continue
            opened = self._opened(name, count=answering)
            # One server that is down would make a reader wait as often as it is named.
            answering = answering and (opened is None or opened.chunks is not None)
            found.append(Holding(name, config, tuple(job for job in jobs if job.definition.kb_name == name), opened))
        return found

    def get(self, name: str) -> Holding:
        """Return a knowledge base.

        Raises:
            NotFound: there is none of that name.
        """
        found = self.look([name])
        if not found:
            hint = self._parts.left_out().get(name, "GET /v1/knowledge-bases lists them")
            raise NotFound(f"there is no knowledge base {name[:128]!r}", hint)
        return found[0]

    def refresh(self) -> None:
        """Take up what another process has made or removed, unless a change is going on here. Raises Unavailable."""
        if self._changing.acquire(blocking=False):
            try:
                self._parts.keep(self._state.knowledge_bases.list())
            finally:
                self._changing.release()

    def create(self, body: Mapping[str, object]) -> Holding:
        """Make an empty knowledge base and open it; when it cannot be opened, nothing is kept.

        Args:
            body: `name`, and if wanted `like` (the knowledge base that it is like in all that is not said),
                `embedder` and `chunking` as in the configuration file.

        Raises:
            Invalid: every fault of the request.
            Conflict: the name is taken.
            SyncdError: as opening a knowledge base raises.
        """
        asked = read_request(body, self._plugins.options_for)
        like = None if asked.like is None else self._parts.knowledge_bases().get(asked.like)
        faults = [*asked.faults, *self._objections(asked, like, alone=body.get("like") is None)]
        if asked.name is None or faults:
            raise Invalid(faults)
        name = asked.name
        with self._changing:
            self._require_free(name)
            kept = KeptKnowledgeBase(
                name,
                KnowledgeBaseDefinition(
                    store=self._store(name, like),
                    embedder=self._part("embedder", asked.embedder, like),
                    chunking=self._part("chunking", asked.chunking, like),
                ),
                self._clock(),
            )
            self._state.knowledge_bases.add(name, kept.definition, kept.created_at, MOST)
            try:
                self._parts.keep(self._state.knowledge_bases.list())
                self._open(name)
            except BaseException:
                self._forget(name)
                raise
        log.info("knowledge base %s was made", name)
        return self.get(name)

    def remove(self, name: str, *, purge: bool) -> None:
        """Remove a knowledge base that was made through the API.

        Args:
            purge: remove it even if it holds documents.

        Raises:
            NotFound: there is none of that name.
            Conflict: it comes from a file, a job fills it, it is in use, or it is not empty.
        """
        with self._changing:
            holding = self.get(name)
            if holding.config.origin is not Origin.API:
                raise Conflict(f"the knowledge base {name} is defined in {holding.config.place}", "remove it there")
            if holding.jobs:
                raise Conflict(f"the job {holding.jobs[0].name} fills the knowledge base {name}", "end the job first")
            if not purge:
                with self._parts.shelf(name) as shelf:
                    chunks = sum(shelf.knowledge_base(one.uuid).count() for one in shelf.generations())
                if chunks:
                    raise Conflict(
                        f"the knowledge base {name} holds {chunks} chunks", "add ?purge=true to remove them with it"
                    )
            try:
                # What is stored goes first: a process that ends here leaves an empty knowledge base, and no orphan.
                self._parts.remove(name)
                self._state.knowledge_bases.remove(name, self._clock())
            finally:
                self._parts.keep(self._state.knowledge_bases.list())
        log.info("knowledge base %s was removed", name)

    def _jobs(self) -> list[Job]:
        now = self._clock()
        return [job for job in self._state.jobs.list() if not job.definition.schedule.ended(now)]

    def _opened(self, name: str, *, count: bool) -> Opened | None:
        with self._parts.opened(name) as shelf:
            if shelf is None:
                return None
            serving = shelf.serving(trusted=float("inf"))
            chunks = None
            if count:
                with suppress(SyncdError):
                    chunks = shelf.knowledge_base(serving.uuid).count()
            return Opened(serving.embedding, chunks)

    def _objections(self, asked: Request, like: KnowledgeBaseConfig | None, *, alone: bool) -> list[Fault]:
        """Return what is wrong with a request beyond its form.

        Args:
            alone: whether it is to be like no other.
        """
        faults = []
        if asked.name is not None and (asked.name.endswith(".lock") or ".damaged-" in asked.name):
            # Files of those names belong to the knowledge bases beside it.
            faults.append(Fault("name", "must not end in .lock, nor hold .damaged-"))
        if asked.like is not None and like is None:
            faults.append(Fault("like", f"there is no knowledge base {asked.like}"))
        if alone and self._state.folder is None:
            faults.append(Fault("like", "is required: the state is in no file, so there is no folder beside it"))
        configured = [c for c in self._parts.knowledge_bases().values() if c.origin is Origin.FILE]
        for section, part in (("embedder", asked.embedder), ("chunking", asked.chunking)):
            if part is None:
                continue
            objection = self._plugins.objection(part, [getattr(config, section).options for config in configured])
            if objection is not None:
                faults.append(replace(objection, where=f"{section}.{objection.where}"))
        return faults

    def _require_free(self, name: str) -> None:
        if name in self._parts.knowledge_bases():
            raise Conflict(f"there is a knowledge base {name!r} already", "choose another name")
        if (reason := self._parts.left_out().get(name)) is not None:
            raise Conflict(f"there is a knowledge base {name!r} already, which cannot be used now: {reason}")

    def _store(self, name: str, like: KnowledgeBaseConfig | None) -> KeptPart:
        """Choose where a knowledge base is kept: no URL and no path is taken from a request.

        Raises:
            Conflict: something else is there.
            Invalid: Chroma cannot carry the name.
        """
        options = None if like is None else like.store.options
        if like is not None and like.store.type == _STORE and getattr(options, "url", None) is not None:
            part, store = KeptPart(of=self._owner_of("store", like.store)), like.store
        else:
            path = self._folder(name, getattr(options, "path", None) if like and like.store.type == _STORE else None)
            part = KeptPart(type=_STORE, options={"path": str(path)})
            model = self._plugins.options_for("knowledge_base", _STORE)
            store = PartConfig("knowledge_base", _STORE, model.model_validate(part.options))
        try:
            taken = self._parts.is_stored(name, store)
        except PermanentError as error:
            raise Invalid([Fault("name", str(error))]) from error
        if taken:
            raise Conflict(f"something else is kept under the name {name} already", "choose another name")
        return part

    def _owner_of(self, section: Section, part: PartConfig) -> str:
        """Return the knowledge base of the file that has this very part."""
        return next(
            name
            for name, config in self._parts.knowledge_bases().items()
            if config.origin is Origin.FILE and getattr(config, section) == part
        )

    def _folder(self, name: str, beside: str | None) -> Path:
        """Choose a folder: beside another one's, else beside the state, always in a folder `knowledge_bases`.

        Raises:
            Conflict: a link would lead elsewhere.
        """
        start = self._state.folder if beside is None else Path(beside).expanduser().parent
        assert start is not None
        parent = start if start.name == FOLDER else start / FOLDER
        folder = parent / name
        contained = folder.resolve().parent == start.resolve() / parent.relative_to(start)
        if parent.is_symlink() or folder.is_symlink() or not contained:
            raise Conflict(f"{folder} leads elsewhere", "remove the link, or choose another name")
        return folder

    def _part(self, section: Section, asked: PartConfig | None, like: KnowledgeBaseConfig | None) -> KeptPart:
        """Return a part as it is kept: by its options, where a request could have said them."""
        part = asked
        if part is None and like is not None:
            found: PartConfig = getattr(like, section)
            if not self._plugins.is_requestable(found):
                return KeptPart(of=self._owner_of(section, found))
            part = found
        if part is None:
            type_ = _DEFAULTS[section]
            part = PartConfig(KINDS[section], type_, self._plugins.options_for(KINDS[section], type_)())
        return KeptPart(type=part.type, options=part.options.model_dump(mode="json", exclude_none=True))

    def _open(self, name: str) -> None:
        """Open a knowledge base for the first time.

        Raises:
            Invalid: its embedder does not work, or its store refuses it.
            Conflict: its place is another one's.
        """
        if (reason := self._parts.left_out().get(name)) is not None:
            raise Conflict(f"the knowledge base {name} cannot be made: {reason}", "choose another name")
        config = self._parts.knowledge_bases()[name]
        field = "embedder"
        try:
            _ = self._plugins.embedder(config.embedder).fingerprint
            field = "name"
            with self._parts.target(name) as target:
                field = "embedder"
                target.embedder.embed([_SAMPLE])
        except PermanentError as error:
            raise Invalid([Fault(field, str(error))]) from error

    def _forget(self, name: str) -> None:
        """Leave nothing of a knowledge base that could not be opened."""
        with suppress(SyncdError):
            self._parts.remove(name)
        with suppress(SyncdError):
            self._state.knowledge_bases.remove(name, self._clock())
        with suppress(SyncdError):
            self._parts.keep(self._state.knowledge_bases.list())
