"""Reads the parts that a configuration names: databases, and knowledge bases with embedder and chunking."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from pydantic import BaseModel

from syncd.config.document import Node, Scalar, Steps
from syncd.config.settings import Kind, KnowledgeBaseConfig, PartConfig
from syncd.config.validation import Report, validated
from syncd.config.wording import label, quoted
from syncd.errors import SyncdError
from syncd.model.fields import NAME_PATTERN

OptionsFor = Callable[[Kind, str], type[BaseModel]]

DEFAULT_TYPES: dict[Kind, str] = {"source": "sql", "chunker": "text"}
"""The type of a part that names none."""

_A_MAPPING = "must be a mapping of keys to values"


def names(report: Report, section: str) -> list[str]:
    """Return the names that a section defines; faults of the names go into the report."""
    node = report.root.child(section)
    if node is None:
        return []
    if not isinstance(node.value, dict):
        report.add((section,), f"{section} {_A_MAPPING}: names, each with what it stands for")
        return []
    fitting = []
    for name in node.value:
        if re.fullmatch(NAME_PATTERN, name) is None:
            report.add_key(
                (section, name),
                f"{quoted(name)} is no name: a letter or digit first, then letters, digits, _ . and -, at most 128",
            )
        elif section == "databases" and "." in name:
            report.add_key((section, name), f"{quoted(name)}: a database's name has no dot, as source_table has them")
        else:
            fitting.append(name)
    return fitting


def read_databases(report: Report, options_for: OptionsFor) -> dict[str, PartConfig]:
    """Return the databases that are without fault, by name."""
    found: dict[str, PartConfig] = {}
    for name in names(report, "databases"):
        path = ("databases", name)
        node = report.root.reach(path)[0]
        if node.text is not None:
            part = read_part(report, path, "source", options_for, url=node.text)
        elif isinstance(node.value, dict):
            part = read_part(report, path, "source", options_for)
        else:
            part = None
            report.add(path, f"{label(path)} must be a URL, such as sqlite:///data/shop.db, or a mapping with a url")
        if part is not None:
            found[name] = part
    return found


def read_knowledge_bases(report: Report, options_for: OptionsFor) -> dict[str, KnowledgeBaseConfig]:
    """Return the knowledge bases that are without fault, by name."""
    found: dict[str, KnowledgeBaseConfig] = {}
    for name in names(report, "knowledge_bases"):
        path = ("knowledge_bases", name)
        if not isinstance(report.root.reach(path)[0].value, dict):
            report.add(path, f"{label(path)} {_A_MAPPING}, such as {{type: chroma, path: data/kb, ...}}")
            continue
        store = read_part(report, path, "knowledge_base", options_for, besides=("embedder", "chunking"))
        embedder = read_part(report, (*path, "embedder"), "embedder", options_for)
        chunking = read_part(report, (*path, "chunking"), "chunker", options_for)
        if store is not None and embedder is not None and chunking is not None:
            place = str(report.root.reach(path)[2])
            found[name] = KnowledgeBaseConfig(store, embedder, chunking, place=place)
    return found


def read_part(
    report: Report,
    path: Steps,
    kind: Kind,
    options_for: OptionsFor,
    besides: Collection[str] = (),
    **given: Scalar,
) -> PartConfig | None:
    """Read a part's type and options; None where they have faults, which are in the report then.

    Args:
        besides: keys that are not options of the part.
        given: options that the file gives in a short form.
    """
    node = report.node(*path)
    if node is not None and node.value is not None and not given and not isinstance(node.value, dict):
        report.add(path, f"{label(path)} {_A_MAPPING}")
        return None
    type_ = _type(report, path, node, kind, options_for)
    if type_ is None:
        return None
    try:
        model = options_for(kind, type_)
    except SyncdError as error:
        report.add((*path, "type"), f"{label(path)}: {error}")
        return None

    def data(swapped: frozenset[Steps]) -> dict[str, object]:
        written = node.plain(swapped) if node is not None and isinstance(node.value, dict) else {}
        return {key: value for key, value in written.items() if key not in {"type", *besides}} | given

    options = validated(report, path, model, data)
    return None if options is None else PartConfig(kind, type_, options)


def _type(report: Report, path: Steps, node: Node | None, kind: Kind, options_for: OptionsFor) -> str | None:
    named = None if node is None else node.child("type")
    value = DEFAULT_TYPES.get(kind) if named is None else named.value
    if isinstance(value, str):
        return value
    if named is not None:
        report.add((*path, "type"), f"{label(path)}.type must be text")
        return None
    what = f"{label(path)} is missing" if node is None else f"{label(path)}.type is missing"
    try:
        options_for(kind, "")
    except SyncdError as error:
        what = f"{what} ({error.hint})"
    report.add(path, what)
    return None
