"""Tells in syncd's words what Chroma and the network raise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.errors import PermanentError, RecordError, SyncdError, TransientError, Unavailable
from syncd.knowledge.chroma.mirror import MirrorError

_ENVIRONMENT = re.compile(
    r"locked|busy|disk is full|no space|read-?only|permission denied|unable to open|too many open files"
    r"|out of memory|cannot allocate|disk I/O error|code: (5|6|7|8|10|13|14)\b",
    re.IGNORECASE,
)
_DAMAGE = re.compile(
    r"hnsw|pickle|malformed|not a database|code: (11|26)\b|finding id|getting embedding|panicked", re.IGNORECASE
)


@contextmanager
def translated(place: str, *, opening: bool = False, row_values: bool = False) -> Iterator[None]:
    """Translate whatever the block raises, keeping the cause.

    Args:
        place: the knowledge base and where it lies, without secrets.
        opening: whether a full disk, a lock and the like should keep the store shut, rather than be tried again.
        row_values: whether the values that are written may be what the store refuses.
    """
    try:
        yield
    except SyncdError:
        raise
    except BaseException as error:
        if not _is_failure(error):
            raise
        raise _translation(error, place, opening, row_values) from error


def is_damage(error: BaseException) -> bool:
    """Tell whether an error means that the store's own files contradict each other, and not that they are out of reach.

    Args:
        error: what Chroma raised, or its translation.
    """
    cause = error.__cause__ if isinstance(error, SyncdError) and error.__cause__ is not None else error
    if _name(cause) == "PanicException":
        return True
    text = str(cause)
    return _name(cause) == "InternalError" and _DAMAGE.search(text) is not None and not _ENVIRONMENT.search(text)


def _translation(error: BaseException, place: str, opening: bool, row_values: bool) -> SyncdError:
    # Only for those that have failed: a check of a configuration would wait for it.
    import httpx

    name, text = _name(error), str(error) or _name(error)
    status = _status(error)
    if isinstance(error, httpx.TimeoutException):
        return TransientError(f"{place} did not answer in time")
    if isinstance(error, httpx.TransportError):
        return TransientError(f"{place} cannot be reached: {text}")
    if status in {401, 403} or name in {"ChromaAuthError", "AuthorizationError"}:
        return PermanentError(f"{place} refuses the credentials", "check the knowledge base's token")
    if status == 429 or (status is not None and status >= 500) or name in {"RateLimitError", "QuotaError"}:
        return TransientError(f"{place} answers {status or name}: {text[:200]}")
    if name == "NotFoundError":
        return TransientError(f"{place} is gone: {text}", "it was removed while syncd used it")
    if name in {"InvalidDimensionException", "InvalidArgumentError"} and "dimension" in text:
        return PermanentError(
            f"{place} holds vectors of another length: {text}", "restore the embedder it was made with"
        )
    unreadable = opening and isinstance(error, MirrorError | OSError)
    if unreadable or (_ENVIRONMENT.search(text) and name == "InternalError"):
        unusable = Unavailable if opening else TransientError
        return unusable(f"{place} cannot be used: {text}", "check the disk's space and permissions")
    if row_values and (isinstance(error, ValueError | TypeError | OverflowError) or name == "InvalidArgumentError"):
        return RecordError(f"{place} refuses a document: {text[:200]}")
    if name == "InvalidArgumentError":
        return PermanentError(f"{place} refuses the call: {text[:500]}")
    return TransientError(f"{place} failed: {text[:500]}")


def _is_failure(error: BaseException) -> bool:
    # The library's Rust part raises its panics past `except Exception`.
    return isinstance(error, Exception) or _name(error) == "PanicException"


def _name(error: BaseException) -> str:
    return type(error).__name__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error; the client drops it but for the exception it was handling."""
    import httpx

    for candidate in (error, error.__context__):
        if isinstance(candidate, httpx.HTTPStatusError):
            return candidate.response.status_code
    return None
