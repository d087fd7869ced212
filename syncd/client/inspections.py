"""What can be asked about a job's table and its knowledge base; nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from syncd.client.connection import Connection, part
from syncd.client.values import Counted

# To read and compare a large table takes minutes before the first word of the answer.
PATIENCE_SECONDS = 3600.0


class Plan(Counted):
    """What a job's next run will do; it will count the same."""

    updated: int
    sweeps: bool
    withheld: str | None
    from_beginning: str | None
    seconds: float


class Difference(TypedDict):
    """One document that is not what its row says: missing, stale, orphaned, duplicated or unreachable."""

    document_id: str
    kind: str
    detail: str


class Verification(TypedDict):
    """What was compared, in rows, documents and chunks, and how many documents differ, by kind."""

    in_step: bool
    rows: int
    documents: int
    chunks: int
    ahead: int
    left_out: int
    without_value: int
    quarantined: int
    differences: Mapping[str, int]


class Explanation(TypedDict):
    """How one row stands."""

    document_id: str
    answer: str
    detail: str
    held: bool
    filter_value: str | None


class Inspections:
    """Looks at jobs, by their name or their id. Every call raises as `Connection.ask` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(self, job: str) -> Plan:
        """Predict what a job's next run will do; a large table takes minutes."""
        plan: Plan = self._connection.ask("POST", f"{_path(job)}/plan", silence=PATIENCE_SECONDS)
        return plan

    def verify(
        self, job: str, so_far: Callable[[Verification], None] = lambda verification: None
    ) -> tuple[Sequence[Difference], Verification]:
        """Compare a job's whole table with its knowledge base, and return each difference, and what was compared.

        Args:
            so_far: told now and then what was compared until then.

        Raises:
            ApiError: the daemon could not go on; its message says why.
        """
        differences: list[Difference] = []
        result: dict[str, Any] = {}
        for told in self._connection.lines("POST", f"{_path(job)}/verify", silence=PATIENCE_SECONDS):
            if "difference" in told:
                differences.append(told["difference"])
            elif "so_far" in told:
                so_far(told["so_far"])
            else:
                result = told["result"]
        return differences, Verification(**result)  # type: ignore[typeddict-item]  # as the daemon tells it

    def why(self, job: str, key: str) -> Explanation:
        """Tell why a row is in the knowledge base, or is not.

        Args:
            key: as documents' ids end with it, or as the database shows it.
        """
        explanation: Explanation = self._connection.get(f"{_path(job)}/why", {"key": key})
        return explanation


def _path(job: str) -> str:
    return f"/v1/jobs/{part(job)}"
