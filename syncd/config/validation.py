"""Checks a part of a document against its model, and says in plain English what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from syncd.config.document import Node, Steps
from syncd.config.secrets import Secrets
from syncd.config.wording import label, quoted, suggestion
from syncd.errors import Fault
from syncd.model.fields import NAME_PATTERN

M = TypeVar("M", bound=BaseModel)

_NOUNS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list, such as [a, b]",
    "tuple": "a list, such as [a, b]",
    "set": "a list, such as [a, b]",
    "frozen_set": "a list, such as [a, b]",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "dataclass": "a mapping of keys to values",
    "datetime": "a time in ISO 8601, such as 2026-01-31T00:00:00",
    "date": "a date, such as 2026-01-31",
    "none_required": "empty",
    "path": "a path",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


class Report:
    """Collects the faults of a document.

    Args:
        root: the document.
        secrets: what no fault may show.
        faults: what was wrong before, with the document as YAML.
    """

    def __init__(self, root: Node, secrets: Secrets, faults: Iterable[Fault] = ()) -> None:
        self.root = root
        self.faults = list(faults)
        self._secrets = secrets

    def node(self, *path: str | int) -> Node | None:
        """Return the value at this path, None where there is none."""
        node, reached, _ = self.root.reach(path)
        return node if reached == path else None

    def add(self, path: Steps, message: str) -> None:
        """Add a fault of the value at this path, or of the nearest value that holds it."""
        node, _, place = self.root.reach(path)
        if not node.broken:
            self.faults.append(Fault(str(place), self._secrets.hide(message)))

    def add_key(self, path: Steps, message: str) -> None:
        """Add a fault of the key that ends this path."""
        parent, _, place = self.root.reach(path[:-1])
        place = parent.keys.get(str(path[-1]), place)
        self.faults.append(Fault(str(place), self._secrets.hide(message)))

    def add_unknown(self, path: Steps, known: Iterable[str]) -> None:
        """Add a fault of a key that does not exist, at the key itself."""
        where = label(path[:-1]) or "the file"
        self.add_key(path, f"unknown key {quoted(str(path[-1]))} in {where}: {suggestion(str(path[-1]), known)}")


def validated(report: Report, path: Steps, model: type[M], data: Callable[[frozenset[Steps]], object]) -> M | None:
    """Make a model of what stands at a path.

    Args:
        data: returns the plain data, with the variables at the given paths below `path` read the other way.

    Returns:
        The model, or None when there are faults, which are in the report then.
    """
    swapped: frozenset[Steps] = frozenset()
    while True:
        given = data(swapped)
        try:
            return model.model_validate(given)
        except ValidationError as error:
            found = _by_path(given, error.errors(include_url=False))
        more = {at for at, errors in found.items() if _is_misread(report.node(*path, *at), errors)} - swapped
        if not more:
            break
        swapped |= more
    for at, errors in found.items():
        _add(report, path, at, model, errors)
    return None


def _is_misread(node: Node | None, errors: list[ErrorDetails]) -> bool:
    return node is not None and node.variable and any(error["type"].endswith("_type") for error in errors)


def _by_path(given: object, errors: list[ErrorDetails]) -> dict[Steps, list[ErrorDetails]]:
    """Group errors by the value that they are about, without the steps that stand for the arms of a union."""
    found: dict[Steps, list[ErrorDetails]] = {}
    for error in errors:
        names_a_key = error["type"] in {"missing", "extra_forbidden"}
        at = error["loc"] if names_a_key else _existing(given, error["loc"])
        found.setdefault(at, []).append(error)
    return found


def _existing(given: object, steps: Steps) -> Steps:
    for depth, step in enumerate(steps):
        is_item = isinstance(given, list) and isinstance(step, int) and step < len(given)
        if not is_item and not (isinstance(given, dict) and step in given):
            return steps[:depth]
        given = given[step]  # type: ignore[index]  # checked one line above, in words that mypy does not follow
    return steps


def _add(report: Report, path: Steps, at: Steps, model: type[BaseModel], errors: list[ErrorDetails]) -> None:
    whole = (*path, *at)
    owner, field = _field(model, at)
    if errors[0]["type"] == "extra_forbidden":
        report.add_unknown(whole, owner.model_fields)
        return
    if errors[0]["type"] == "missing":
        report.add(whole, f"{label(whole)} is missing{_meaning(field)}")
        return
    said = next((str(error["ctx"]["error"]) for error in errors if error["type"] == "value_error"), None)
    if said is None:
        report.add(whole, f"{label(whole)} must be {_expected(errors, field)}")
    else:
        report.add((*whole, *_culprit(report.node(*whole), said)), f"{label(whole)}: {said}")


def _expected(errors: list[ErrorDetails], field: FieldInfo | None) -> str:
    error = errors[0]
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {context[key]}"
    if kind in {"enum", "literal_error"}:
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        given = error["input"]
        return f"one of {', '.join(choices)}" + (f"; {suggestion(given, choices)}" if _like(given, choices) else "")
    if kind == "string_pattern_mismatch":
        form = "a name: a letter or digit first, then letters, digits, _ . and -, at most 128"
        return form if context["pattern"] == NAME_PATTERN else f"of another form{_meaning(field)}"
    if kind in {"too_short", "string_too_short"}:
        return f"longer: at least {context['min_length']} {'item' if kind == 'too_short' else 'character'}(s)"
    if kind in {"too_long", "string_too_long"}:
        return f"shorter: at most {context['max_length']} {'item' if kind == 'too_long' else 'character'}(s)"
    nouns = list(dict.fromkeys(noun for noun in map(_noun, errors) if noun))
    if not nouns:
        return error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    quotes = nouns[0] == "text" and isinstance(error["input"], bool | int | float)
    return f"{' or '.join(nouns)}, not {_given(error['input'])}" + (": put it in quotes" if quotes else "")


def _noun(error: ErrorDetails) -> str | None:
    kind = error["type"]
    return next((noun for prefix, noun in _NOUNS.items() if kind == prefix or kind.startswith(f"{prefix}_")), None)


def _given(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def _like(given: object, choices: list[str]) -> bool:
    return isinstance(given, str) and suggestion(given, choices).startswith("did you mean")


def _meaning(field: FieldInfo | None) -> str:
    return f": {' '.join(field.description.split())}" if field is not None and field.description else ""


def _culprit(node: Node | None, message: str) -> Steps:
    """Return the key that a message about a whole mapping speaks of, so that its line can be shown."""
    if node is None or not isinstance(node.value, dict):
        return ()
    words = [part for word in re.findall(r"[A-Za-z_]+", message) for part in (word, word.removesuffix("s"))]
    named = [word for word in words if word in node.keys]
    return tuple(named[:1])


def _field(model: type[BaseModel], at: Steps) -> tuple[type[BaseModel], FieldInfo | None]:
    """Follow a path through models; return the last model on it and the field of it that the path names."""
    field: FieldInfo | None = None
    for depth, step in enumerate(at):
        if not isinstance(step, str):
            continue
        field = model.model_fields.get(step)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None or depth == len(at) - 1:
            break
        model = inner
    return model, field


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)
