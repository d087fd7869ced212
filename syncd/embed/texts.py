"""What every model asks of a text."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.errors import RecordError


def require_unicode(texts: Sequence[str]) -> None:
    """Return when all texts can be sent to a model. Raises RecordError."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RecordError(f"the text is not valid Unicode at character {error.start}") from error
