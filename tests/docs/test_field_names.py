"""Callers of other job services find their fields under the names that they know, or the reason why one is not there."""

from __future__ import annotations

import pytest

from syncd.api.job_views import JobView
from syncd.api.run_views import RunView
from tests.docs.pages import ROOT, inline_code

JOB = (
    "id project_id group_id name slug description cron payload_schema tags endpoint_url fallback_endpoint_url max_attempts "
    "timeout_secs max_concurrency execution_window_cron timezone rate_limit_max rate_limit_window_secs "
    "max_concurrency_per_key rate_limit_keys default_run_metadata dedup_window_secs enabled webhook_url webhook_secret "
    "run_ttl_secs retry_strategy retry_delays_secs environment_id version version_id version_policy "
    "backwards_compatible created_by updated_by created_at updated_at"
).split()
RUN = (
    "id job_id project_id status attempt payload result metadata error triggered_by scheduled_at started_at finished_at "
    "heartbeat_at next_retry_at expires_at parent_run_id priority idempotency_key job_version workflow_step_run_id "
    "max_attempts_override timeout_secs_override retry_backoff retry_initial_delay_secs retry_max_delay_secs "
    "execution_trace debug_mode continuation_of lineage_depth tags job_version_id created_by batch_id concurrency_key "
    "created_at"
).split()


@pytest.mark.parametrize(
    ("fields", "view", "page"), [(JOB, JobView, "docs/api/jobs.md"), (RUN, RunView, "docs/api/runs.md")]
)
def test_every_field_is_told_or_explained(fields: list[str], view: type[JobView | RunView], page: str) -> None:
    explained = set(inline_code(ROOT / page)) | set(inline_code(ROOT / "docs/api/jobs.md"))
    assert [field for field in fields if field not in view.model_fields and field not in explained] == []
