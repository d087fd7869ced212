"""Callers of other job services find their fields under the names that they know, or the reason why one is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.api.job_views import JobView
from syncd.api.run_views import RunView
from tests.docs.pages import ROOT, inline_code

NAMES = Path(__file__).parent / "requests"


@pytest.mark.parametrize(
    ("names", "view", "page"),
    [("job_fields.txt", JobView, "docs/api/jobs.md"), ("run_fields.txt", RunView, "docs/api/runs.md")],
)
def test_every_field_is_told_or_explained(names: str, view: type[JobView | RunView], page: str) -> None:
    explained = set(inline_code(ROOT / page)) | set(inline_code(ROOT / "docs/api/jobs.md"))
    fields = (NAMES / names).read_text().split()
    assert [field for field in fields if field not in view.model_fields and field not in explained] == []
