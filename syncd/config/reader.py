"""Reads one YAML file into values that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from syncd.config.document import Node, Place, core_schema
from syncd.config.secrets import Secrets
from syncd.config.variables import Variables, is_one_variable
from syncd.config.wording import quoted
from syncd.errors import Fault

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 50


def read(file: Path, variables: Variables, secrets: Secrets) -> tuple[Node | None, list[Fault]]:
    """Read a YAML file.

    Args:
        variables: what `${NAME}` stands for.
        secrets: learns every password of a URL.

    Returns:
        The file's value, None where it cannot be read or holds only comments, and all that is wrong with it as YAML.
    """
    name = str(file)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [Fault(name, f"cannot be read: {error.strerror}")]
    if len(content) > MAX_BYTES:
        return None, [Fault(name, "is larger than 1 MiB; move jobs into files of their own in jobs/")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [Fault(f"{name}:{line}", "is not UTF-8 text: save the file as UTF-8")]
    if not text.strip():
        return None, [Fault(name, "is empty: a file that is to say nothing holds a comment")]
    reader = _Reader(name, text, variables, secrets)
    try:
        return reader.document(), reader.faults
    except _Unreadable as error:
        return None, [*reader.faults, error.fault]


class _Unreadable(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(str(place), message)


class _Reader:
    def __init__(self, name: str, text: str, variables: Variables, secrets: Secrets) -> None:
        self.faults: list[Fault] = []
        self._name = name
        self._text = text
        self._variables = variables
        self._secrets = secrets
        self._anchors: dict[str, Node] = {}
        self._seen = 0
        self._events = self._parsed()

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _Unreadable(self._place(event), "a second document starts here: remove the line ---")
                root = self._node(next(self._events), 1)
        return None if root is not None and root.value is None and not root.broken else root

    def _parsed(self) -> Iterator[Any]:
        try:
            yield from YAML(typ="safe", pure=True).parse(self._text)
        except MarkedYAMLError as error:
            raise self._syntax(error) from error
        except ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            raise _Unreadable(
                Place(self._name, line), f"a character that YAML forbids (U+{error.character:04X})"
            ) from error
        except (YAMLError, ValueError, OverflowError, RecursionError) as error:
            raise _Unreadable(Place(self._name, 1), f"is not YAML: {type(error).__name__}") from error

    def _syntax(self, error: MarkedYAMLError) -> _Unreadable:
        problem = str(error.problem or error.context)
        mark = error.problem_mark or error.context_mark
        if "end" in problem and "stream" in problem and error.context_mark is not None:
            mark = error.context_mark
        lines = self._text.split("\n")
        last = len(lines) - 1 - self._text.endswith("\n")
        line = 0 if mark is None else min(int(mark.line), last)
        written = lines[line]
        hint = ""
        if "\\t" in problem:
            problem, hint = "a tab", ": indent with spaces"
        elif "${" in written:
            hint = ": put a text with ${...} in quotes when it stands inside { } or [ ]"
        elif "mapping values" in problem:
            hint = ": put a text with a colon in quotes, and give keys of one mapping the same indentation"
        return _Unreadable(Place(self._name, line + 1), f"is not YAML: {problem}{hint}")

    def _place(self, event: Any) -> Place:
        return Place(self._name, int(event.start_mark.line) + 1)

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(Fault(str(place), self._secrets.hide(message)))

    def _node(self, event: Any, depth: int) -> Node:
        place = self._place(event)
        self._seen += 1
        if self._seen > MAX_NODES:
            raise _Unreadable(place, f"the file holds more than {MAX_NODES:,} values")
        if isinstance(event, AliasEvent):
            node = self._alias(event, place)
        elif isinstance(event, ScalarEvent):
            node = self._scalar(event, place)
        elif depth >= MAX_DEPTH:
            raise _Unreadable(place, f"is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, MappingStartEvent):
            node = self._mapping(place, depth)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            raise _Unreadable(place, "a value is missing here")
        if not isinstance(event, AliasEvent) and event.tag:
            self._fault(place, "tags such as !!str are not used here: remove it; a text goes in quotes")
            node = Node(place, node.value, node.keys, broken=True, size=node.size, depth=node.depth)
        if node.size > MAX_NODES:
            raise _Unreadable(place, f"holds more than {MAX_NODES:,} values once its aliases are followed")
        if node.depth + depth > MAX_DEPTH:
            raise _Unreadable(place, f"is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(event, AliasEvent) and event.anchor:
            self._anchors[str(event.anchor)] = node
        return node

    def _alias(self, event: AliasEvent, place: Place) -> Node:
        node = self._anchors.get(str(event.anchor))
        if node is None:
            name = str(event.anchor)
            raise _Unreadable(place, f"*{name} stands for nothing: mark a complete value before it with &{name}")
        return node

    def _scalar(self, event: ScalarEvent, place: Place) -> Node:
        written = str(event.value)
        try:
            written.encode()
            text = self._variables.fill(written)
        except UnicodeEncodeError:
            self._fault(place, "half of a surrogate pair is not a character: write the character itself")
            return Node(place, "", broken=True)
        except ValueError as error:
            self._fault(place, str(error))
            return Node(place, "", broken=True)
        self._secrets.add_passwords_of(text)
        quotes = event.style is not None
        if is_one_variable(written):
            value, other = (text, core_schema(text)) if quotes else (core_schema(text), text)
            return Node(place, value, variable=True, other=other)
        return Node(place, text if quotes or text != written else core_schema(text))

    def _sequence(self, place: Place, depth: int) -> Node:
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._node(event, depth + 1))
        return Node(place, tuple(items), size=1 + sum(n.size for n in items), depth=1 + _deepest(items))

    def _mapping(self, place: Place, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key, at = self._key(event), self._place(event)
            value = self._node(next(self._events), depth + 1)
            if key in keys:
                self._fault(
                    at, f"the key {quoted(key)} is given twice; the first is in line {keys[key].line}: keep one"
                )
                continue
            keys[key], values[key] = at, value
        nodes = list(values.values())
        return Node(place, values, keys, size=1 + sum(n.size for n in nodes), depth=1 + _deepest(nodes))

    def _key(self, event: Any) -> str:
        if not isinstance(event, ScalarEvent):
            raise _Unreadable(self._place(event), "a key must be a text, not a list, a mapping or an alias")
        key = str(event.value)
        if not key.isprintable():
            raise _Unreadable(self._place(event), "a key holds a character that cannot be printed")
        self._secrets.add_passwords_of(key)
        return key


def _deepest(nodes: list[Node]) -> int:
    return max((node.depth for node in nodes), default=0)
