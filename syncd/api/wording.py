"""What is wrong with a request, in plain English."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncd.api.schemas import Detail
from syncd.errors import Fault
from syncd.model.job import JobDefinition

_PHRASES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not known here",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "int_parsing_size": lambda _: "is too large",
    "string_type": lambda _: "must be text",
    "string_unicode": lambda _: "must be valid Unicode text",
    "string_too_short": lambda limits: f"must have at least {_characters(limits['min_length'])}",
    "string_too_long": lambda limits: f"must have at most {_characters(limits['max_length'])}",
    "too_long": lambda limits: f"must have at most {limits['max_length']} entries",
    "greater_than_equal": lambda limits: f"must be at least {limits['ge']}",
    "less_than_equal": lambda limits: f"must be at most {limits['le']}",
    "enum": lambda limits: f"must be one of {str(limits['expected']).replace(chr(39), '')}",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be a JSON object, sent with Content-Type: application/json",
    "json_invalid": lambda limits: f"is not valid JSON: {limits['error']}",
}


def details(errors: Sequence[Mapping[str, Any]]) -> list[Detail]:
    """Say what is wrong with each field, without repeating what was sent, which may be secret.

    Args:
        errors: as pydantic lists them.
    """
    return [Detail(field=field, message=message) for field, message in map(_told, errors)]


def faults(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Say the same as faults of a definition, which is not inside anything."""
    told = (_told({**error, "loc": ("", *error["loc"])}) for error in errors)
    return [Fault(field or "definition", message) for field, message in told]


def _told(error: Mapping[str, Any]) -> tuple[str | None, str]:
    place, *steps = error["loc"]
    message = _message(error)
    if error["type"] == "json_invalid":
        return str(place), message
    path = ".".join(str(step) for step in steps if step != "[key]")
    field, _, rest = message.partition(" ")
    if not path and field.rstrip(":") in JobDefinition.model_fields:
        # What several fields say together names the one to change first.
        return field.rstrip(":"), rest
    return path or str(place) or None, message


def _message(error: Mapping[str, Any]) -> str:
    phrase = _PHRASES.get(error["type"])
    if phrase is not None:
        return phrase(error.get("ctx", {}))
    return str(error["msg"]).removeprefix("Value error, ")


def _characters(number: int) -> str:
    return f"{number} character{'' if number == 1 else 's'}"
