"""Reads a knowledge base out of a request, by the rules of the configuration file, and tells every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.config.document import Node, Place, Steps
from syncd.config.parts import OptionsFor, read_part
from syncd.config.secrets import Secrets
from syncd.config.settings import PartConfig
from syncd.config.validation import Report, validated
from syncd.config.wording import label, quoted, suggestion
from syncd.errors import Fault, Invalid
from syncd.model.fields import Model, Name

_FIELDS = ("name", "like", "embedder", "chunking")
_DEEPEST = 8


class Named(Model):
    """What a request for a knowledge base names."""

    name: Name | None = None
    """The new knowledge base's name."""
    like: Name | None = None
    """The knowledge base that it is like in all that is not said."""


@dataclass(frozen=True, slots=True)
class Request:
    """A knowledge base as it was asked for; `embedder` and `chunking` are None where nothing was said of them."""

    name: str | None
    like: str | None
    embedder: PartConfig | None
    chunking: PartConfig | None
    faults: tuple[Fault, ...]


def read_request(body: Mapping[str, object], options_for: OptionsFor) -> Request:
    """Read a request's body.

    Args:
        body: as JSON gave it.
        options_for: the model of a part's options, by kind and type; raises a SyncdError for a type that a request
            may not name.

    Raises:
        Invalid: the body is nested too deeply.
    """
    given = {key: value for key, value in body.items() if value is not None}
    report = Report(_node(given), Secrets())
    for key in given:
        if key not in _FIELDS:
            report.add_key((key,), f"{quoted(key)} is not known here: {suggestion(key, _FIELDS)}")
    if "name" not in given:
        report.faults.append(Fault("name", "name is missing: the new knowledge base's name"))
    names = {key: given[key] for key in ("name", "like") if key in given}
    named = validated(report, (), Named, lambda _: names)
    embedder = read_part(report, ("embedder",), "embedder", options_for) if "embedder" in given else None
    chunking = read_part(report, ("chunking",), "chunker", options_for) if "chunking" in given else None
    return Request(
        None if named is None else named.name,
        None if named is None else named.like,
        embedder,
        chunking,
        tuple(report.faults),
    )


def _node(value: object, path: Steps = ()) -> Node:
    """Return a value of a request as the readers of configurations want it; its place is the name of its field."""
    if len(path) > _DEEPEST:
        raise Invalid([Fault(label(path[:2]), "is nested too deeply")])
    place = Place(label(path) or "body")
    if isinstance(value, dict):
        keys = {str(key): Place(label((*path, str(key)))) for key in value}
        return Node(place, {str(key): _node(item, (*path, str(key))) for key, item in value.items()}, keys)
    if isinstance(value, list):
        return Node(place, tuple(_node(item, (*path, index)) for index, item in enumerate(value)))
    assert value is None or isinstance(value, str | int | float | bool)
    return Node(place, value)
