"""The configuration file's JSON Schema, made from the models, so that editors complete and check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from syncd.config.parts import DEFAULT_TYPES
from syncd.config.settings import Kind, Limits, Server, Settings, Webhooks
from syncd.model.fields import NAME_PATTERN
from syncd.model.job import JobDefinition

Parts = Mapping[Kind, Mapping[str, type[BaseModel]]]
Schema = dict[str, Any]

_VARIABLE: Schema = {
    "type": "string",
    "pattern": r"\$\{[^{}]+\}",
    "description": "A text with a variable in it: ${NAME} or ${NAME:-default}.",
}
_A_VARIABLE: Schema = {"$ref": "#/$defs/Variable"}
_DROPPED = ("title", "format", "writeOnly")
_MODE: JsonSchemaMode = "validation"


def json_schema(parts: Parts) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a configuration file.

    Args:
        parts: the model of the options of each type, by kind and type.
    """
    options = [model for types in parts.values() for model in types.values()]
    models: list[type[BaseModel]] = list(dict.fromkeys([JobDefinition, Server, Limits, Webhooks, *options]))
    refs, shared = models_json_schema([(model, _MODE) for model in models], ref_template="#/$defs/{model}")
    definitions = {name: _plainer(schema) for name, schema in shared.get("$defs", {}).items()}

    def of(model: type[BaseModel]) -> Schema:
        return {"$ref": refs[model, _MODE]["$ref"]}

    def part(kind: Kind, besides: Mapping[str, Schema]) -> Schema:
        bodies = {name: definitions[of(model)["$ref"].rpartition("/")[2]] for name, model in parts[kind].items()}
        return _part(bodies, DEFAULT_TYPES.get(kind), besides)

    knowledge_base = part("knowledge_base", {"embedder": part("embedder", {}), "chunking": part("chunker", {})})
    knowledge_base["required"] = ["type", "embedder"]
    database = part("source", {})
    sections: dict[str, Schema] = {
        "state": {"type": "string", "default": "sqlite:///data/syncd.db"},
        "databases": _named({"anyOf": [{"type": "string", "description": "The database's URL."}, database]}),
        "knowledge_bases": _named(knowledge_base),
        "jobs": _named(of(JobDefinition)),
        "server": of(Server),
        "limits": of(Limits),
        "webhooks": of(Webhooks),
    }
    for name, field in Settings.model_fields.items():
        sections[name]["description"] = _one_line(field.description)
    used = {of(model)["$ref"].rpartition("/")[2] for model in options}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncd configuration",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
        "$defs": {name: schema for name, schema in definitions.items() if name not in used} | {"Variable": _VARIABLE},
    }


def _part(bodies: Mapping[str, Schema], default: str | None, besides: Mapping[str, Schema]) -> Schema:
    """Return the schema of a part: its type, and the options that go with each type."""
    branches = []
    for name, body in bodies.items():
        chosen: Schema = {"properties": {"type": {"const": name}}}
        if name != default:
            chosen["required"] = ["type"]
        allowed: Schema = {"type": True, **dict.fromkeys(besides, True), **body.get("properties", {})}
        then: Schema = {"properties": allowed, "additionalProperties": False}
        if "required" in body:
            then["required"] = body["required"]
        branches.append({"if": chosen, "then": then})
    kind: Schema = {"enum": list(bodies), "description": "Which type of part this is."}
    schema: Schema = {"type": "object", "properties": {"type": kind, **besides}, "allOf": branches}
    if default is None:
        schema["required"] = ["type"]
    else:
        kind["default"] = default
    return schema


def _named(entry: Schema) -> Schema:
    return {"type": ["object", "null"], "propertyNames": {"pattern": NAME_PATTERN}, "additionalProperties": entry}


def _plainer(schema: Any) -> Any:
    """Drop what only confuses an editor, and let a variable stand wherever a text would not be allowed."""
    if isinstance(schema, list):
        takes_text = {"type": "string"} in schema
        return [item if takes_text and item.keys() == {"type"} else _plainer(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain: Schema = {
        key: {name: _plainer(inner) for name, inner in value.items()} if key == "properties" else _plainer(value)
        for key, value in schema.items()
        if key not in _DROPPED
    }
    if "description" in plain:
        plain["description"] = _one_line(plain["description"])
    narrow = plain.get("type") in {"integer", "number", "boolean"} or "enum" in plain or "pattern" in plain
    if not narrow:
        return plain
    about = {key: plain.pop(key) for key in ("description", "default") if key in plain}
    return {"anyOf": [plain, _A_VARIABLE], **about}


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
