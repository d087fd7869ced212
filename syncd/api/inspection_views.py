"""What is told about how a table and its knowledge base stand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

from syncd.api.run_views import Counted
from syncd.api.schemas import Shown, safe
from syncd.model.inspection import Answer, Explanation, Plan


class PlanView(Counted):
    """What a job's next run will do, as far as its table stays as it is; it will count the same."""

    updated: int
    """How many of the documents that will be embedded are held already."""
    sweeps: bool
    """Whether the run will compare the whole table after its pass."""
    withheld: str | None
    """What its sweep will not do before somebody approves of it."""
    from_beginning: str | None
    """Why the table will be compared from the beginning; null where the watermark applies."""
    seconds: float
    """How long the run will take, about, once the model is loaded."""

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Show a plan."""
        counts = plan.counts
        return cls(
            **counts.as_dict(),
            updated=counts.embedded - counts.inserted,
            sweeps=plan.sweeps,
            withheld=plan.withheld,
            from_beginning=plan.from_beginning,
            seconds=round(plan.seconds, 3),
        )


class ExplanationView(Shown):
    """How one row stands."""

    document_id: str
    answer: Answer
    detail: str
    """The rest, and what will happen next."""
    held: bool
    """Whether the knowledge base holds a whole document of it."""
    filter_value: str | None
    """Null where there is no row."""

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Show an explanation."""
        told = asdict(explanation)
        return cls.model_validate(told | {"detail": safe(explanation.detail)})
