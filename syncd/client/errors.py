"""What can go wrong between this program and a daemon."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.errors import Fault, SyncdError, Unavailable


class ApiError(SyncdError):
    """The daemon did not do what it was asked.

    Args:
        status: of HTTP.
        code: for programs to decide by, such as `DUPLICATE_JOB`.
        message: for people.
        details: everything that is wrong, `where` naming its field.
        request_id: what the daemon's log knows the request by; empty where something else answered.
    """

    def __init__(
        self, status: int, code: str, message: str, details: Sequence[Fault] = (), request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = tuple(details)
        self.request_id = request_id


class Unauthorized(ApiError):
    """A token is needed, and there is none, or one that is wrong, expired or revoked."""


class Forbidden(ApiError):
    """The token does not go that far."""


class NotFound(ApiError):
    """What was named does not exist."""


class Conflict(ApiError):
    """The request contradicts what exists: a name that is taken, a version that has changed, a run that goes on."""


class Invalid(ApiError):
    """The request cannot be done as it is; `details` lists all that is wrong."""


class Unreachable(Unavailable):
    """Nothing answers at the daemon's address, or not in time, or it broke off."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}
