"""Looks at the files of an embedded store's index, which a kill can leave at odds with each other."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct("<I4Q")
"""Version, offset, capacity, number of elements, bytes of an element: how Chroma's index begins its header."""

_VERSION = 1


def torn(folder: Path) -> str:
    """Compare what each index says of itself with what its files hold, without opening it.

    Chroma writes these files one after the other. A header that is newer than the rest makes it read memory that
    nobody wrote, which may look right, find the wrong text, or end the process.

    Returns:
        What is wrong; empty when nothing is, or when the files are of a form that is not known here.
    """
    return next(filter(None, map(_torn, sorted(folder.glob("*/header.bin")))), "")


def _torn(header: Path) -> str:
    start = header.read_bytes()[: _HEADER.size]
    if len(start) < _HEADER.size:
        return ""
    version, _, _, elements, size = _HEADER.unpack(start)
    parts = [header.with_name(name) for name in ("data_level0.bin", "length.bin", "link_lists.bin")]
    if version != _VERSION or not size or not all(part.exists() for part in parts):
        return ""
    data, lengths, links = parts
    # More is no fault: a new index has room for vectors that are still in the log.
    held = min(data.stat().st_size // size, lengths.stat().st_size // 4, _linked(links, elements))
    if held >= elements:
        return ""
    return f"a kill tore its index: the header speaks of {elements} vectors, the data holds {held}"


def _linked(links: Path, most: int) -> int:
    """Count the vectors whose links beyond the lowest level are there: the links' bytes, and then the links."""
    content = links.read_bytes()
    place = count = 0
    while count < most and place + 4 <= len(content):
        place += 4 + int.from_bytes(content[place : place + 4], "little")
        if place <= len(content):
            count += 1
    return count


def has_database(folder: Path) -> bool:
    """Tell whether Chroma's database is there; in place of a missing or an empty one Chroma makes another."""
    database = folder / "chroma.sqlite3"
    return database.exists() and database.stat().st_size > 0
