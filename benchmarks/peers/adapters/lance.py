"""What a LanceDB table holds, and how some of it gets lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lancedb


def chunks(folder: Path, name: str, key: str, text: str, vector: str) -> Iterator[Mapping[str, Any]]:
    """Yield each chunk of a table, in the form of `Adapter.dump`; none where no run has made it.

    Args:
        key, text, vector: the columns that hold them.
    """
    database = lancedb.connect(str(folder))
    if name not in database.table_names(limit=1000):
        return
    for row in database.open_table(name).to_arrow().to_pylist():
        yield {
            "key": row[key],
            "text": row[text],
            "category": row["category"],
            "price": row["price"],
            "vector": None if row[vector] is None else [round(float(number), 6) for number in row[vector]],
        }


def lose(folder: Path, name: str, key: str, keys: Sequence[int]) -> None:
    """Delete every chunk of these rows."""
    lancedb.connect(str(folder)).open_table(name).delete(f"{key} IN ({', '.join(map(str, keys))})")
