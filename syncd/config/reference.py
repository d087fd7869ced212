"""The configuration's reference for people, in Markdown, made from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from syncd.config.parts import DEFAULT_TYPES
from syncd.config.schema import Parts, Schema, json_schema
from syncd.config.settings import Kind

_INTRODUCTION = """\
# Configuration

syncd reads one YAML 1.2 file, `syncd.yaml`, and every `*.yaml` file in the folder `jobs/` beside it. It takes the file
or folder that `--config` names, else the one in `$SYNCD_CONFIG`, else `./config`, `./syncd.yaml` or `/etc/syncd`. A
file in `jobs/` holds only `jobs:`. Whatever is wrong is told at once, each fault with its file and line.
`syncd config schema` prints the JSON Schema; an editor completes and checks a file whose first line is

    # yaml-language-server: $schema=./syncd.schema.json

Relative paths, of SQLite files and of knowledge bases, are relative to the working directory of the process.

**Variables.** In any value, `${NAME}` is the environment variable `NAME`; where it is unset and `NAME_FILE` is set, it
is the content of that file, without one newline at its end. `${NAME:-default}` is the default where both are unset or
empty, and `$$` is a dollar sign. What is put in is never read as YAML. A value that is one variable and nothing else
is read as a number, as true or false or as a text, whichever its key takes; inside `{ }` and `[ ]` it needs quotes.

**Values.** `010`, `1_000` and `12:30` are texts. Where a text is expected, a number needs quotes. A duration is
`N SECONDS`, `MINUTES`, `HOURS`, `DAYS` or `WEEKS`; times are ISO 8601, and UTC where they name no zone.

A name (of a database, a knowledge base or a job) has letters, digits, `_`, `-` and `.`, and begins with a letter or a
digit; a database's name has no dot. Names in `< >` below are yours to choose.
"""

_SECTIONS: tuple[tuple[Kind, str, str, str], ...] = (
    (
        "source",
        "databases.<name>",
        "Databases",
        "A database is a URL, or a mapping with `type` and the options of that type: "
        "`shop: sqlite:///shop.db` is short for `shop: {url: sqlite:///shop.db}`.",
    ),
    (
        "knowledge_base",
        "knowledge_bases.<name>",
        "Knowledge bases",
        "A knowledge base has a `type` with its options, an `embedder`, and `chunking` if the defaults do not suit.",
    ),
    ("embedder", "knowledge_bases.<name>.embedder", "Embedders", "What turns texts into vectors."),
    (
        "chunker",
        "knowledge_bases.<name>.chunking",
        "Chunking",
        "What cuts texts into pieces that the model reads whole.",
    ),
)
_MODELS = (("jobs.<name>", "Jobs"), ("server", "Server"), ("limits", "Limits"), ("webhooks", "Webhooks"))


def reference(parts: Parts) -> str:
    """Return the description of every key.

    Args:
        parts: the model of the options of each type, by kind and type.
    """
    schema = json_schema(parts)
    definitions = schema["$defs"]
    sections = schema["properties"]
    lines = [_INTRODUCTION, "## Top level", "", *_table(_top_rows(sections))]
    for kind, prefix, title, text in _SECTIONS:
        lines += ["", f"## {title}", "", text]
        for name, body in _types(sections, prefix).items():
            note = " (the default)" if DEFAULT_TYPES.get(kind) == name else ""
            lines += ["", f"### `type: {name}`{note}", "", *_table(_rows(body, definitions, f"{prefix}."))]
    for section, title in _MODELS:
        entry = sections[section.partition(".")[0]]
        body = definitions[(entry if "$ref" in entry else entry["additionalProperties"])["$ref"].rpartition("/")[2]]
        lines += ["", f"## {title}", "", *_table(_rows(body, definitions, f"{section}."))]
    return "\n".join(lines) + "\n"


def _types(sections: Schema, prefix: str) -> dict[str, Schema]:
    """Return what each type of the part at this place takes."""
    steps = prefix.split(".")
    part = sections[steps[0]]["additionalProperties"]
    part = part["anyOf"][1] if "anyOf" in part else part
    for step in steps[2:]:
        part = part["properties"][step]
    own = {"type", *part["properties"]}
    return {
        branch["if"]["properties"]["type"]["const"]: {
            "required": branch["then"].get("required", []),
            "properties": {key: value for key, value in branch["then"]["properties"].items() if key not in own},
        }
        for branch in part["allOf"]
    }


Row = tuple[str, str, str, str]


def _top_rows(sections: Schema) -> Iterator[Row]:
    for name, schema in sections.items():
        kind = "text" if schema.get("type") == "string" else "mapping"
        yield name, kind, _default(schema, required=False), schema["description"]


def _rows(body: Schema, definitions: Mapping[str, Schema], prefix: str) -> Iterator[Row]:
    for name, schema in body["properties"].items():
        required = name in body.get("required", [])
        yield f"{prefix}{name}", _kind(schema, definitions), _default(schema, required), schema.get("description", "")
        inner = _inner(schema, definitions)
        if inner is not None:
            many = "[]" if "items" in schema else ""
            yield from _rows(inner, definitions, f"{prefix}{name}{many}.")


def _inner(schema: Schema, definitions: Mapping[str, Schema]) -> Schema | None:
    schema = schema.get("items", schema)
    named = definitions.get(schema.get("$ref", "").rpartition("/")[2], {})
    return named if named.get("type") == "object" else None


def _kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        arms = [arm for arm in schema["anyOf"] if arm != {"$ref": "#/$defs/Variable"} and arm.get("type") != "null"]
        return " or ".join(dict.fromkeys(_kind(arm, definitions) for arm in arms))
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), definitions)}"
    if schema.get("type") == "object":
        return "mapping"
    return words.get(schema.get("type", ""), "any") + _range(schema)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    bounds = (("at least", low), ("more than", schema.get("exclusiveMinimum")), ("at most", high))
    return "".join(f", {words} {bound}" for words, bound in bounds if bound is not None)


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    if default is None or default in ([], {}) or isinstance(default, dict):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _table(rows: Iterator[Row]) -> Iterator[str]:
    yield "| Key | Type | Default | Meaning |"
    yield "| --- | --- | --- | --- |"
    for key, kind, default, meaning in rows:
        cells = (f"`{key}`", kind, default, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
