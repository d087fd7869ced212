"""Finds the class behind each `type` of a configuration: what syncd brings along, then what is installed beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, SecretBytes, SecretStr

from syncd.config.settings import Kind, PartConfig
from syncd.config.wording import quoted, suggestion
from syncd.errors import Fault, NotFound, PermanentError
from syncd.model.job import JobDefinition
from syncd.ports import Catalog, Chunker, Embedder, KnowledgeBase, Source

GROUPS: Mapping[Kind, str] = {
    "source": "syncd.sources",
    "embedder": "syncd.embedders",
    "chunker": "syncd.chunkers",
    "knowledge_base": "syncd.knowledge_bases",
}


class PartClass(Protocol):
    """A class that makes parts, and names the model of their options."""

    @property
    def Options(self) -> type[BaseModel]: ...  # noqa: N802  (a plugin's Options is a class)


class SourceClass(PartClass, Protocol):
    """Makes sources."""

    def __call__(self, options: Any, job: JobDefinition) -> Source: ...


class EmbedderClass(PartClass, Protocol):
    """Makes embedders."""

    def __call__(self, options: Any) -> Embedder: ...


class ChunkerClass(PartClass, Protocol):
    """Makes chunkers."""

    def __call__(self, options: Any, embedder: Embedder) -> Chunker: ...


class KnowledgeBaseClass(PartClass, Protocol):
    """Makes knowledge bases."""

    def __call__(self, name: str, options: Any, embedding: str, holder: Mapping[str, str]) -> KnowledgeBase: ...


class SourceWithCatalog(SourceClass, Protocol):
    """Makes sources, and looks around in their database."""

    def catalog(self, name: str, options: Any) -> Catalog: ...


class RequestableClass(PartClass, Protocol):
    """Makes embedders or chunkers, and knows which of their options must not come from a request."""

    def objection(self, options: Any, configured: Sequence[BaseModel]) -> Fault | None: ...


class CountableClass(KnowledgeBaseClass, Protocol):
    """Makes knowledge bases, and counts their chunks while they are not open."""

    def count_unopened(self, name: str, options: Any, embedding: str, holder: Mapping[str, str]) -> int | None: ...


class RemovableClass(KnowledgeBaseClass, Protocol):
    """Makes knowledge bases, and removes them."""

    def is_stored(self, name: str, options: Any) -> bool: ...

    def remove(self, name: str, options: Any, holder: Mapping[str, str]) -> None: ...


def _sql() -> SourceClass:
    from syncd.source.sql import SqlSource

    return SqlSource


def _sentence_transformers() -> EmbedderClass:
    from syncd.embed.sentence_transformers import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder


def _hashing() -> EmbedderClass:
    from syncd.embed.hashing import HashingEmbedder

    return HashingEmbedder


def _openai() -> EmbedderClass:
    from syncd.embed.openai import OpenAiEmbedder

    return OpenAiEmbedder


def _text() -> ChunkerClass:
    from syncd.chunk.text import TextChunker

    return TextChunker


def _chroma() -> KnowledgeBaseClass:
    from syncd.knowledge.chroma import ChromaKnowledgeBase

    return ChromaKnowledgeBase


BUILT_IN: Mapping[Kind, Mapping[str, Callable[[], PartClass]]] = {
    "source": {"sql": _sql},
    "embedder": {"sentence-transformers": _sentence_transformers, "openai": _openai, "hashing": _hashing},
    "chunker": {"text": _text},
    "knowledge_base": {"chroma": _chroma},
}


def installed() -> Iterable[EntryPoint]:
    """Return what the installed packages offer to syncd."""
    # Asked once for all groups, for each question reads what every installed package says of itself.
    found = entry_points()
    return [entry for group in GROUPS.values() for entry in found.select(group=group)]


class Plugins:
    """The classes behind the types of sources, embedders, chunkers and knowledge bases.

    A type that syncd brings along cannot be replaced by an installed one. Nothing is imported before it is asked for.

    Args:
        offered: the entry points to look through.
    """

    def __init__(self, offered: Iterable[EntryPoint] | None = None) -> None:
        self._offered: dict[tuple[str, str], list[EntryPoint]] = {}
        for entry in installed() if offered is None else offered:
            self._offered.setdefault((entry.group, entry.name), []).append(entry)

    def known(self, kind: Kind) -> list[str]:
        """Return the types of this kind that can be named, in order."""
        others = {name for group, name in self._offered if group == GROUPS[kind]}
        return sorted(others | set(BUILT_IN[kind]))

    def options_for(self, kind: Kind, type_: str) -> type[BaseModel]:
        """Return the model of a type's options. Raises as `source`."""
        return self._class(kind, type_).Options

    def parts(self) -> dict[Kind, dict[str, type[BaseModel]]]:
        """Return the options of every type that can be loaded, by kind and type."""
        found: dict[Kind, dict[str, type[BaseModel]]] = {}
        for kind in GROUPS:
            found[kind] = {}
            for name in self.known(kind):
                with suppress(PermanentError):
                    found[kind][name] = self.options_for(kind, name)
        return found

    def source(self, config: PartConfig, job: JobDefinition) -> Source:
        """Make the source that a job reads from.

        Raises:
            NotFound: there is no such type; the hint lists those there are.
            PermanentError: its class cannot be loaded, or is no plugin.
        """
        return cast(SourceClass, self._class("source", config.type))(config.options, job)

    def catalog(self, name: str, config: PartConfig) -> Catalog | None:
        """Make what looks around in a database, or None where its type offers nothing. Raises as `source`."""
        found = self._class("source", config.type)
        if not hasattr(found, "catalog"):
            return None
        return cast(SourceWithCatalog, found).catalog(name, config.options)

    def embedder(self, config: PartConfig) -> Embedder:
        """Make an embedder. Raises as `source`."""
        return cast(EmbedderClass, self._class("embedder", config.type))(config.options)

    def chunker(self, config: PartConfig, embedder: Embedder) -> Chunker:
        """Make a chunker that counts with this embedder's tokens. Raises as `source`."""
        return cast(ChunkerClass, self._class("chunker", config.type))(config.options, embedder)

    def knowledge_base(self, name: str, config: PartConfig, embedding: str, holder: Mapping[str, str]) -> KnowledgeBase:
        """Open a knowledge base.

        Args:
            embedding: the fingerprint of the embedder and chunker that fill it.
            holder: who opens it, for a lock's message.

        Raises:
            NotFound, PermanentError: as `source`, besides what opening it raises.
        """
        return cast(KnowledgeBaseClass, self._class("knowledge_base", config.type))(
            name, config.options, embedding, holder
        )

    def count_unopened(self, name: str, store: PartConfig, embedding: str, holder: Mapping[str, str]) -> int | None:
        """Count the chunks of a knowledge base that is not open; None where only opening it can tell.

        Raises:
            NotFound, PermanentError, InUse, Unavailable: as `knowledge_base`.
        """
        found = self._class("knowledge_base", store.type)
        if not hasattr(found, "count_unopened"):
            return None
        return cast(CountableClass, found).count_unopened(name, store.options, embedding, holder)

    def objection(self, config: PartConfig, configured: Iterable[BaseModel]) -> Fault | None:
        """Say what in a part's options must not come from a request; None where nothing is wrong.

        Args:
            configured: the options of parts of this kind that the configuration has.
        """
        if not self.is_requestable(config):
            what = f"{quoted(config.type)} with a secret" if _has_secret(config) else quoted(config.type)
            return Fault("type", f"{what} is not taken from a request: name one that has it as `like`")
        return cast(RequestableClass, self._class(config.kind, config.type)).objection(
            config.options, tuple(configured)
        )

    def is_requestable(self, config: PartConfig) -> bool:
        """Tell whether a request may describe a part like this, rather than name one that the configuration has.

        What a request describes is kept in the state, where no secret may be (invariant 10).
        """
        return hasattr(self._class(config.kind, config.type), "objection") and not _has_secret(config)

    def is_stored(self, name: str, store: PartConfig) -> bool:
        """Tell whether something is kept in a knowledge base's place already, as far as its class or its path tells.

        Raises:
            SyncdError: as opening it would.
        """
        found = self._class("knowledge_base", store.type)
        if hasattr(found, "is_stored"):
            return cast(RemovableClass, found).is_stored(name, store.options)
        path = getattr(store.options, "path", None)
        return path is None or Path(path).expanduser().exists()

    def remove_knowledge_base(self, name: str, store: PartConfig, holder: Mapping[str, str]) -> None:
        """Remove all that a knowledge base that is not open holds. Raises as opening it would."""
        cast(RemovableClass, self._class("knowledge_base", store.type)).remove(name, store.options, holder)

    def _class(self, kind: Kind, type_: str) -> PartClass:
        offered = self._offered.get((GROUPS[kind], type_), [])
        what = f"the {kind.replace('_', ' ')} type {quoted(type_)}"
        built_in = BUILT_IN[kind].get(type_)
        if built_in is None and not offered:
            known = self.known(kind)
            raise NotFound(f"there is no {what.removeprefix('the ')}", suggestion(type_, known))
        if built_in is None and len({entry.value for entry in offered}) > 1:
            values = " and ".join(sorted({entry.value for entry in offered}))
            raise PermanentError(f"{what} is offered twice, by {values}", "uninstall one of the two packages")
        try:
            found = built_in() if built_in is not None else offered[0].load()
        except Exception as error:
            raise PermanentError(
                f"{what} cannot be loaded: {type(error).__name__}: {error}", "install what it needs, or name another"
            ) from error
        options = getattr(found, "Options", None)
        if not callable(found) or not isinstance(options, type) or not issubclass(options, BaseModel):
            raise PermanentError(
                f"{what} is no plugin: {found!r} has no Options that is a pydantic model",
                "mend or uninstall its package",
            )
        return cast(PartClass, found)


def _has_secret(config: PartConfig) -> bool:
    return any(isinstance(value, SecretStr | SecretBytes) for _, value in config.options)
