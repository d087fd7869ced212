"""What can go wrong, sorted by what the caller must do about it.

SyncdError
├── ConfigError          fix your file; carries every fault with file and line
├── NotFound             name something that exists
├── Conflict             somebody else has it; choose another name or wait
├── Invalid              correct the request; carries every fault with its field
│   └── KeyReused        choose a new idempotency key for another request
├── Unauthorized         say who you are
├── Forbidden            ask somebody who may
├── LeaseLost            stop: another process took this job over
│   └── WroteLate        have the table compared: this run may have written after that
├── Unavailable          fix your environment (a lock, a disk, a state database from the future)
│   └── InUse            another process owns the embedded knowledge base
├── Cancelled            stop at this batch boundary; nothing is lost
│   ├── TimedOut         the attempt took too long
│   └── WindowClosed     go on when the execution window opens again
└── SyncError
    ├── TransientError   try again later, with back-off
    ├── PermanentError   fail the run and block the job until someone changes something
    │   ├── DefinitionRefused  the table is not there, or has no such columns
    │   └── OtherEmbedding     the knowledge base holds vectors of another embedding
    └── RecordError      quarantine this row; the rows around it go on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SyncdError(Exception):
    """A failure that syncd understands, told so that its reader knows what to do.

    Args:
        message: what happened, naming the thing that failed.
        hint: what to do about it; empty where the message says it.
    """

    code = "ERROR"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a configuration file or a request, and where.

    Args:
        where: the file and line, or the field.
        code: what kind of fault it is, where programs tell kinds apart.
    """

    where: str
    message: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ConfigError(SyncdError):
    """The configuration cannot be used; every fault is listed at once."""

    code = "INVALID_CONFIG"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class NotFound(SyncdError):
    """What was named does not exist."""

    code = "NOT_FOUND"


class Conflict(SyncdError):
    """The request contradicts what exists."""

    code = "CONFLICT"


class Invalid(SyncdError):
    """A request cannot be done as it is; every fault is listed at once, `where` naming its field."""

    code = "INVALID_REQUEST"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class KeyReused(Invalid):
    """An idempotency key was used for two different requests."""

    code = "IDEMPOTENCY_KEY_REUSED"


class Unauthorized(SyncdError):
    """The caller did not say who they are, or not in a way that counts."""

    code = "UNAUTHORIZED"


class Forbidden(SyncdError):
    """The caller may not do this."""

    code = "FORBIDDEN"


class LeaseLost(SyncdError):
    """Another process holds this job's lease now; nothing more may be committed here."""

    code = "LEASE_LOST"


class WroteLate(LeaseLost):
    """Another process holds the lease now, and what it wrote may have been replaced by an older version from here."""


class Unavailable(SyncdError):
    """Something that syncd itself needs cannot be used in this environment."""

    code = "UNAVAILABLE"


class InUse(Unavailable):
    """Another process owns the embedded knowledge base.

    Args:
        holder: what the owner wrote into its lock file (`pid`, `role`, `since`, `url`).
    """

    code = "IN_USE"

    def __init__(self, message: str, holder: dict[str, str], hint: str = "") -> None:
        super().__init__(message, hint)
        self.holder = holder


class Cancelled(SyncdError):
    """The run was asked to stop, and stopped at a batch boundary."""

    code = "CANCELED"


class WindowClosed(Cancelled):
    """The job's execution window closed, and the run stopped at a batch boundary."""

    code = "WINDOW_CLOSED"


class TimedOut(Cancelled):
    """The attempt took longer than the job allows, and stopped at a batch boundary."""

    code = "TIMED_OUT"


class SyncError(SyncdError):
    """A run met a failure of a source, an embedder or a knowledge base."""

    code = "SYNC_FAILED"


class TransientError(SyncError):
    """The same call may succeed later: a network, a timeout, an overloaded service."""

    code = "TRANSIENT"


class PermanentError(SyncError):
    """The same call will fail again until someone changes the job or what it names."""

    code = "PERMANENT"


class DefinitionRefused(PermanentError):
    """A job's definition does not fit its table; every fault names its field."""

    def __init__(self, faults: Sequence[Fault], hint: str = "") -> None:
        super().__init__("; ".join(str(fault) for fault in faults), hint)
        self.faults = tuple(faults)


class OtherEmbedding(PermanentError):
    """A knowledge base holds vectors of another embedding than the one that shall fill it.

    Args:
        name: the knowledge base's.
        held, wanted: the fingerprints of what has filled it and of what shall.
    """

    def __init__(self, name: str, held: str, wanted: str) -> None:
        super().__init__(
            f"the knowledge base {name} was made with another model or chunking: "
            f"it holds {held}, the configuration says {wanted}",
            f"`syncd kb rebuild {name}` fills a new generation, and searches go on meanwhile; "
            "or restore the old embedder and chunking",
        )
        self.held = held


class RecordError(SyncError):
    """One row cannot be synced; the rows around it can."""

    code = "RECORD"
