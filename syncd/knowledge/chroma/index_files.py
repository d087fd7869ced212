"""Looks at the files of an embedded store's index, which a kill can leave at odds with each other."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct("<I4Q")
"""Version, offset, capacity, number of elements, bytes of an element: how Chroma's index begins its header."""

_VERSION = 1


def torn(folder: Path) -> str:
    """Compare what each index says of itself with the size of its data, without opening it.

    Chroma writes these files one after the other. A header that is newer than the data makes it read memory that
    nobody wrote, which may look right, find the wrong text, or end the process.

    Returns:
        What is wrong; empty when nothing is, or when the files are of a form that is not known here.
    """
    for header in sorted(folder.glob("*/header.bin")):
        start = header.read_bytes()[: _HEADER.size]
        if len(start) < _HEADER.size:
            continue
        version, _, _, elements, size = _HEADER.unpack(start)
        data = header.with_name("data_level0.bin")
        if version != _VERSION or not size or not data.exists():
            continue
        held = data.stat().st_size
        # More is no fault: a new index has room for vectors that are still in the log.
        if held < elements * size:
            return f"a kill tore its index: the header speaks of {elements} vectors, the data holds {held // size}"
    return ""


def has_database(folder: Path) -> bool:
    """Tell whether Chroma's database is there; in place of a missing or an empty one Chroma makes another."""
    database = folder / "chroma.sqlite3"
    return database.exists() and database.stat().st_size > 0
