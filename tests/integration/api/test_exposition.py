"""GET /metrics tells Prometheus what the state says at that moment."""

from __future__ import annotations

from datetime import timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families

from syncd import __version__
from syncd.errors import Unavailable
from syncd.model.record import Reject
from syncd.model.run import Counts, RunStatus, Trigger
from syncd.model.watermark import Watermark
from syncd.telemetry import METRICS, JobReading

from .conftest import World


def scrape(client: httpx.Client) -> dict[str, float]:
    """Return every sample as `name{label=value,...}`."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_runs_did_and_how_jobs_stand_is_exposed(client: httpx.Client, world: World) -> None:
    job = world.job()
    counts = Counts(records_read=10, embedded=4, metadata_updated=2, unchanged=3, dead_lettered=1, chunks=9)
    rejects = (Reject("7", "bad"),)
    stages = {"read": 0.5, "embed": 1.25}
    world.run(job, counts=counts, stages=stages, watermark=Watermark(1), rejects=rejects)
    world.run(job, counts=counts, stages=stages, status=RunStatus.FAILED)
    world.now += timedelta(seconds=58)
    world.begin(world.enqueue(job))
    skipped = world.enqueue(job, Trigger.SCHEDULE)
    assert skipped.status is RunStatus.SKIPPED
    world.metrics.run_finished(skipped)
    world.metrics.rows_behind("orders", 12)
    stuck = world.job("stuck")
    world.state.jobs.block(stuck.id, "the table is gone", world.now)
    world.now += timedelta(seconds=5)

    told = scrape(client)
    expected = {
        "syncd_runs_total{job=orders,status=completed}": 1,
        "syncd_runs_total{job=orders,status=failed}": 1,
        "syncd_runs_total{job=orders,status=skipped}": 1,
        "syncd_rows_total{job=orders,outcome=read}": 20,
        "syncd_rows_total{job=orders,outcome=embedded}": 8,
        "syncd_rows_total{job=orders,outcome=recalled}": 0,
        "syncd_rows_total{job=orders,outcome=metadata_updated}": 4,
        "syncd_rows_total{job=orders,outcome=unchanged}": 6,
        "syncd_rows_total{job=orders,outcome=deleted}": 0,
        "syncd_rows_total{job=orders,outcome=dead_lettered}": 2,
        "syncd_embeddings_total{job=orders}": 18,
        "syncd_stage_seconds_total{job=orders,stage=read}": 1,
        "syncd_stage_seconds_total{job=orders,stage=embed}": 2.5,
        "syncd_run_seconds_count{job=orders}": 2,
        "syncd_run_seconds_sum{job=orders}": 4,
        "syncd_run_seconds_bucket{job=orders,le=1.0}": 0,
        "syncd_run_seconds_bucket{job=orders,le=5.0}": 2,
        "syncd_rows_behind{job=orders}": 12,
        "syncd_seconds_since_success{job=orders}": 65,
        "syncd_seconds_since_success{job=stuck}": 5,
        "syncd_job_blocked{job=orders}": 0,
        "syncd_job_blocked{job=stuck}": 1,
        "syncd_job_running{job=orders}": 1,
        "syncd_job_running{job=stuck}": 0,
        "syncd_dead_letters{job=orders}": 1,
        "syncd_dead_letters{job=stuck}": 0,
        f"syncd_build_info{{version={__version__}}}": 1,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert not [name for name in told if "_created" in name]


def test_every_metric_is_in_the_table_with_its_kind_labels_and_meaning(client: httpx.Client, world: World) -> None:
    """The documentation is checked against the table, and the table here against the exposition."""
    world.run(world.job(), stages={"read": 1})
    world.metrics.rows_behind("orders", 0)
    suffix = {"counter": "_total", "gauge": "", "histogram": ""}
    told = {
        (
            family.name + suffix[family.type],
            family.type,
            tuple(sorted({name for sample in family.samples for name in sample.labels} - {"le"})),
            family.documentation,
        )
        for family in text_string_to_metric_families(client.get("/metrics").text)
    }
    assert told == {(info.name, info.kind, tuple(sorted(info.labels)), info.meaning) for info in METRICS}


def test_a_job_that_is_no_more_leaves_no_series_behind(client: httpx.Client, world: World) -> None:
    for name in ("orders", "orders_2"):
        job = world.job(name)
        world.run(job, stages={"read": 1})
        world.metrics.rows_behind(name, 3)
    world.state.jobs.end(world.state.jobs.get("orders").id, world.now)
    world.metrics.forget("orders")
    told = scrape(client)
    assert not [name for name in told if "job=orders," in name or "job=orders}" in name]
    assert told["syncd_runs_total{job=orders_2,status=completed}"] == 1
    world.metrics.forget("nobody")


def test_a_state_that_cannot_be_read_fails_the_scrape(client: httpx.Client, world: World) -> None:
    """Prometheus then shows the target as down, rather than jobs that seem fine."""

    def read() -> list[JobReading]:
        world.readiness()
        return []

    world.metrics.watch(read)
    world.unready = Unavailable("the state cannot be used")
    assert client.get("/metrics").status_code == 503
    world.unready = None
    assert client.get("/metrics").status_code == 200
