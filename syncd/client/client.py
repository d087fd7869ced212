"""One daemon, as a Python program asks it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from syncd.client.connection import Connection
from syncd.client.inspections import Inspections
from syncd.client.jobs import Jobs
from syncd.client.knowledge_bases import KnowledgeBases
from syncd.client.runs import Runs
from syncd.client.tokens import Tokens


class Client:
    """Asks one daemon; safe to share between threads. Close it, or use it in a `with` block.

    What cannot be done raises `ApiError`; where no daemon answers, `Unreachable`. Reading, and triggers that have an
    idempotency key, are repeated for some seconds while the daemon says that it is busy.

    Args:
        url: where the daemon answers, such as `http://127.0.0.1:8000`.
        token: `syncd_...`; None while the daemon needs none.
        timeout: how long to wait for an answer, in seconds.

    Raises:
        ValueError: this can be no daemon's address, or no token.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 30) -> None:
        self._connection = Connection(url, token, timeout)
        self.jobs = Jobs(self._connection)
        self.inspections = Inspections(self._connection)
        self.runs = Runs(self._connection)
        self.knowledge_bases = KnowledgeBases(self._connection)
        self.tokens = Tokens(self._connection)

    @property
    def url(self) -> str:
        """Where the daemon answers."""
        return self._connection.url

    def close(self) -> None:
        """Let go of every connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
