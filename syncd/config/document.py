"""What a configuration file says, with the place of everything it says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | float | bool | None
Steps = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,38})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1; without a line, a field of a request."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value of a file, and where it stands.

    Args:
        keys: where each key of a mapping stands.
        variable: whether it is the value of one variable and nothing else.
        other: the second way to read such a value: as text where it was read as a number, or the other way round.
        broken: whether its fault is reported already, so that what follows from it is not.
        size: how many values it holds, itself included.
        depth: how deeply it is nested.
    """

    place: Place
    value: Scalar | tuple[Node, ...] | dict[str, Node]
    keys: Mapping[str, Place] = field(default_factory=dict)
    variable: bool = False
    other: Scalar = None
    broken: bool = False
    size: int = 1
    depth: int = 1

    def child(self, step: str | int) -> Node | None:
        """Return the value at this key or index, None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def reach(self, path: Steps) -> tuple[Node, Steps, Place]:
        """Follow the path as far as it exists.

        Returns:
            The node reached, the path to it, and the line to show for it: the scalar's own, or a collection's key.
        """
        node, key = self, self.place
        for depth, step in enumerate(path):
            child = node.child(step)
            if child is None:
                path = path[:depth]
                break
            key = node.keys.get(str(step), child.place)
            node = child
        return node, path, key if isinstance(node.value, dict | tuple) else node.place

    @property
    def text(self) -> str | None:
        """The value as text, None where it is none."""
        if isinstance(self.value, str):
            return self.value
        return self.other if self.variable and isinstance(self.other, str) else None

    def plain(self, swapped: frozenset[Steps] = frozenset(), path: Steps = ()) -> Any:
        """Return the value without places.

        Args:
            swapped: the paths of variables to read the other way.
        """
        if isinstance(self.value, dict):
            return {key: child.plain(swapped, (*path, key)) for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain(swapped, (*path, index)) for index, child in enumerate(self.value)]
        return self.other if path in swapped else self.value


def core_schema(text: str) -> Scalar:
    """Read an unquoted scalar by YAML 1.2's core schema, but keep as text whatever would lose something as a number.

    So `010`, `1_000`, `12:30` and `.inf` are texts.
    """
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
