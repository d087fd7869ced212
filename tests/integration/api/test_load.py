"""Under many clients at once the API stays right; how fast it is says `python -m benchmarks.api_load`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.api_load import measured


def test_many_clients_get_no_server_error_no_duplicate_and_no_second_run(tmp_path: Path) -> None:
    report = measured(tmp_path, clients=20, seconds=3)
    told = "\n".join(report.lines())
    print(told)
    assert report.server_errors == 0, told
    assert report.unexpected == {}, told
    assert report.broken == [], told
    assert report.samples > 1
    assert report.healthz
    asked = {kind for kind, counts in report.statuses.items() if any(status < 300 for status in counts)}
    # Whether a job can be deleted depends on whether a run of it is waiting just then.
    assert asked | {"delete"} == set(report.statuses)
