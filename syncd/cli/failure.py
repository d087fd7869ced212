"""What a command says and exits with when it cannot do what it was asked.

0  all is well
1  a run failed or ended with dead letters, or a difference was found
2  your input: the configuration, a name, the way a command was called
3  your environment: a lock, a disk, a database that does not answer
"""

from __future__ import annotations

from syncd.cli.terminal import Terminal
from syncd.errors import (
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    PermanentError,
    SyncdError,
    TransientError,
    Unavailable,
)

RUN_FAILED = 1
YOUR_INPUT = 2
YOUR_ENVIRONMENT = 3


def exit_code(error: Exception) -> int:
    """Return the exit status that stands for an error."""
    from syncd.client import ApiError

    match error:
        case ApiError(status=status):
            return YOUR_INPUT if 400 <= status < 500 and status != 429 else YOUR_ENVIRONMENT
        case ConfigError() | NotFound() | Conflict() | Invalid() | PermanentError():
            return YOUR_INPUT
        case Unavailable() | TransientError() | OSError():
            return YOUR_ENVIRONMENT
        case _:
            return RUN_FAILED


def tell(error: Exception) -> None:
    """Write an error and its remedy to stderr, in colour where that is a terminal."""
    terminal = Terminal()
    match error:
        case ConfigError(faults=faults):
            for fault in faults:
                terminal.complain(fault.message, where=fault.where)
        case SyncdError():
            terminal.complain(error.message, hint=error.hint)
        case OSError():
            terminal.complain(f"{error.filename or 'the system'}: {error.strerror or error}")
        case _:
            terminal.complain(
                f"unexpected {type(error).__name__}: {error}",
                hint="this is a fault of syncd; SYNCD_DEBUG=1 shows where it happened",
            )
