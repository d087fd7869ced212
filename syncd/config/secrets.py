"""Keeps what must not be shown out of messages (invariant 10)."""

from __future__ import annotations

import re
from urllib.parse import unquote

_IN_URLS = (
    re.compile(r"://[^:/@\s]{0,256}:(.{1,256})@"),
    re.compile(r"[?&;](?:password|passwd|pwd|token|secret|api_?key)=([^&;\s]{1,256})", re.IGNORECASE),
)
_SHORTEST = 4


class Secrets:
    """The texts to hide: values of variables, and passwords that stand in URLs."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def add(self, text: str) -> None:
        """Hide this text from now on, unless it is too short to be a secret."""
        for part in (text, text.strip(), unquote(text)):
            if len(part) >= _SHORTEST:
                self._texts.add(part)

    def add_passwords_of(self, text: str) -> None:
        """Hide the passwords of every URL in this text from now on."""
        for pattern in _IN_URLS:
            for password in pattern.findall(text):
                self.add(password)

    def hide(self, message: str) -> str:
        """Return the message with three stars in the place of each secret."""
        for text in sorted(self._texts, key=len, reverse=True):
            message = message.replace(text, "***")
        return message
