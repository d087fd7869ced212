"""Puts knowledge bases that were made through the API beside those of the configuration file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from syncd.config.parts import OptionsFor
from syncd.config.settings import Kind, KnowledgeBaseConfig, PartConfig
from syncd.errors import NotFound, SyncdError
from syncd.model.job import Origin
from syncd.model.knowledge_base import KeptKnowledgeBase, KeptPart

Section = Literal["store", "embedder", "chunking"]
KINDS: Mapping[Section, Kind] = {"store": "knowledge_base", "embedder": "embedder", "chunking": "chunker"}


@dataclass(frozen=True, slots=True)
class Merged:
    """The knowledge bases that there are.

    Args:
        found: those of the file, and those of the API that can be used beside them.
        left_out: why the others cannot be used, by name.
    """

    found: Mapping[str, KnowledgeBaseConfig]
    left_out: Mapping[str, str]


def merge(
    file: Mapping[str, KnowledgeBaseConfig], kept: Iterable[KeptKnowledgeBase], options_for: OptionsFor
) -> Merged:
    """Put the kept knowledge bases beside those of the file, which wins where they contradict each other.

    Args:
        options_for: the model of a part's options, by kind and type.
    """
    found, left_out = dict(file), {}
    owners = {folder: name for name, config in file.items() if (folder := folder_of(config)) is not None}
    for one in kept:
        if one.name in file:
            left_out[one.name] = f"the configuration defines one of that name, in {file[one.name].place}"
            continue
        try:
            config = resolve(one, file, options_for)
        except (SyncdError, ValidationError) as error:
            left_out[one.name] = str(error)
            continue
        folder = folder_of(config)
        if folder is not None and folder in owners:
            left_out[one.name] = f"the knowledge base {owners[folder]} is kept in its folder"
            continue
        found[one.name] = config
    return Merged(found, left_out)


def resolve(
    kept: KeptKnowledgeBase, file: Mapping[str, KnowledgeBaseConfig], options_for: OptionsFor
) -> KnowledgeBaseConfig:
    """Return a kept knowledge base as a configuration says it.

    Raises:
        NotFound: it has a part in common with one that the configuration no longer has, or a type that is no more.
        ValidationError: its options are no longer what they were.
    """

    def part(section: Section, said: KeptPart) -> PartConfig:
        if said.of is None:
            assert said.type is not None
            options = options_for(KINDS[section], said.type).model_validate(said.options)
            return PartConfig(KINDS[section], said.type, options)
        if said.of not in file:
            raise NotFound(f"it has the {section} of {said.of}, which left the configuration", "put that one back")
        found: PartConfig = getattr(file[said.of], section)
        return found

    definition = kept.definition
    return KnowledgeBaseConfig(
        part("store", definition.store),
        part("embedder", definition.embedder),
        part("chunking", definition.chunking),
        origin=Origin.API,
    )


def folder_of(config: KnowledgeBaseConfig) -> Path | None:
    """Return the folder that a knowledge base is kept in, None where it is kept elsewhere."""
    folder = getattr(config.store.options, "path", None)
    return Path(folder).expanduser().resolve() if isinstance(folder, str | Path) else None
