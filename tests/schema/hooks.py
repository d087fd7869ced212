"""What a schema cannot say: the server alone knows that these values are wrong, and says so with 422."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

# By field, why a value that fits the schema may still be refused. Each name is that of `details` in the answer.
KNOWN_TO_THE_SERVER = {
    "cursor": "only what a list gave",
    "if-match": "the quotes of an ETag are taken off before it is sent",
    "url": "it is looked up where it leads",
    "expires_at": "must be later than now",
    "idempotency_key": "must be that of the header",
    "variables": "the job's filters name them",
    "dynamic_variables": "may name each other",
    "jobs": "must exist",
    "like": "must exist",
    "name": "each store has a rule of its own for names",
    "key": "in its place `all` may stand, and one of the two must",
    "embedder": "its type decides what else it takes",
    "chunking": "its type decides what else it takes",
}
# In the words of other systems jobs and runs are named in bodies and parameters, and only the server knows them; the
# form of their errors does not name the field.
OTHER_WORDS = ("/jobs", "/search/jobs", "/{account_id}/")
# What the fields of a job say together, or together with the table, the knowledge base and the other jobs.
OF_A_JOB = frozenset(
    {
        "content_columns",
        "deletes",
        "depends_on",
        "end_time",
        "execution_window",
        "filter_column",
        "filters",
        "initial",
        "interval",
        "kb_name",
        "key_columns",
        "lookback",
        "metadata_columns",
        "retry_delays_secs",
        "retry_strategy",
        "source_table",
        "start_time",
        "template",
        "timezone",
    }
)


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Keep a failure, unless a request was refused only for what its schema cannot say."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code not in {400, 422}:
        return True
    if case.operation.path.startswith(OTHER_WORDS) and case.operation.path != "/jobs/create":
        return False
    return not all(_is_known(field, case.body) for field in _fields(response.json()))


def _fields(answer: dict[str, Any]) -> Iterator[str]:
    """Name the fields that an answer finds fault with."""
    for detail in answer["error"]["details"]:
        yield detail.split(" ")[0] if isinstance(detail, str) else detail["field"]


def _is_known(field: str, body: object) -> bool:
    # The names of lists and the numbers of their entries aside: jobs.0.interval is about an interval.
    steps = [step for step in field.split(".") if not step.isdecimal()]
    top = steps[1] if len(steps) > 1 and steps[0] in {"jobs", "items"} else steps[0]
    return top in KNOWN_TO_THE_SERVER or top in OF_A_JOB or _is_whole_with_a_point(field, body)


def _is_whole_with_a_point(field: str, body: object) -> bool:
    """To a schema 5.0 is a whole number; syncd takes none that is written with a point."""
    value = body
    for step in field.split("."):
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            case _:
                return False
    return isinstance(value, float) and value.is_integer()
