"""Words that every fault shares: quotes, lists of what is known, the closest of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

from syncd.config.document import Steps


def quoted(text: str) -> str:
    """Return the text in double quotes, shortened, with control characters escaped."""
    return json.dumps(text if len(text) <= 60 else f"{text[:57]}...", ensure_ascii=False)


def label(path: Steps) -> str:
    """Return a path as it is spoken of: `jobs.orders.content_columns[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def suggestion(given: str, known: Iterable[str]) -> str:
    """Return what may have been meant by a name that is not known: the closest of the known, or a list of them all."""
    names = sorted(known)
    closest = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if closest:
        return f"did you mean {closest[0]}?"
    return f"known: {', '.join(names)}" if names else "none is defined"
