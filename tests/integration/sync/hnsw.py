"""Makes vectors of a stored index unreachable, as a damaged graph does: nothing leads to them any more."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

_HEADER = struct.Struct("<I6Q2i3Q")
"""Version, offset, capacity, elements, bytes of an element, places of label and vector in it, top level, entry, links."""


def hide(folder: Path, wanted: int) -> set[str]:
    """Cut every link to some entries of the one index in a folder, and return their ids.

    Args:
        wanted: how many; only entries of the lowest level are taken, which no other level leads to.
    """
    [header] = folder.glob("*/header.bin")
    _, _, _, elements, size, label_at, _, _, entry, _, _, _ = _HEADER.unpack(header.read_bytes()[: _HEADER.size])
    file = header.with_name("data_level0.bin")
    data = bytearray(file.read_bytes())
    low = [n for n in _lowest(header.with_name("link_lists.bin").read_bytes(), elements) if n != entry]
    chosen = set(low[:: max(1, len(low) // wanted)][:wanted])
    for start in range(0, elements * size, size):
        (count,) = struct.unpack_from("<H", data, start)
        links = struct.unpack_from(f"<{count}I", data, start + 4)
        kept = [link for link in links if link not in chosen]
        struct.pack_into(f"<H2x{len(kept)}I", data, start, len(kept), *kept)
    file.write_bytes(data)
    labels = {struct.unpack_from("<Q", data, n * size + label_at)[0] for n in chosen}
    known = pickle.loads(header.with_name("index_metadata.pickle").read_bytes())  # noqa: S301 - the test's own store
    return {id_ for id_, label in known["id_to_label"].items() if label in labels}


def _lowest(lists: bytes, elements: int) -> list[int]:
    """Return the elements that have no links on a higher level."""
    found, position = [], 0
    for n in range(elements):
        (length,) = struct.unpack_from("<I", lists, position)
        position += 4 + length
        if length == 0:
            found.append(n)
    return found
