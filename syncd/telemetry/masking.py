"""Takes passwords out of texts that people will see (invariant 10)."""

from __future__ import annotations

import re

# Up to the last @ of the word: a password may hold an @ of its own. Bounded, so that a long text stays cheap.
_IN_URL = re.compile(r"(://[^\s:/@]{0,256}:)\S{1,4096}@")
_TOKEN = re.compile(r"(syncd_\d{1,18}_)[\w-]{43}")
_ASSIGNED = re.compile(r"((?:password|passwd|pwd|secret|token|api_?key)=)[^&;\s]+", re.IGNORECASE)


def hide_passwords(text: str) -> str:
    """Return the text with three stars in place of each password: in `scheme://user:password@host`, `password=...`.

    The same becomes of syncd's own tokens.

    Where it is not clear which part is the password, more is hidden rather than less.
    """
    return _TOKEN.sub(r"\1***", _ASSIGNED.sub(r"\1***", _IN_URL.sub(r"\1***@", text)))
