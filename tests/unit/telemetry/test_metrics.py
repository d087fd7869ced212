"""Counts only grow, and a metric is named once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from syncd.model.run import Counts, Run, RunStatus, Trigger
from syncd.telemetry import METRICS, JobReading, Metrics

START = datetime(2026, 1, 1, tzinfo=UTC)


def run(seconds: float, **counts: int) -> Run:
    return Run(
        number=1,
        job_id=1,
        job_name="orders",
        job_version=1,
        status=RunStatus.COMPLETED,
        trigger=Trigger.MANUAL,
        created_at=START,
        scheduled_at=START,
        started_at=START,
        finished_at=START + timedelta(seconds=seconds),
        counts=Counts(**counts),
    )


def test_two_registries_share_nothing() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(first).run_finished(run(1, records_read=3))
    Metrics(second)
    labels = {"job": "orders", "outcome": "read"}
    assert first.get_sample_value("syncd_rows_total", labels) == 3
    assert second.get_sample_value("syncd_rows_total", labels) is None


def test_a_clock_that_was_set_back_during_a_run_does_not_make_a_sum_fall() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.run_finished(run(10))
    metrics.run_finished(run(-3600))
    assert registry.get_sample_value("syncd_run_seconds_sum", {"job": "orders"}) == 10
    assert registry.get_sample_value("syncd_run_seconds_count", {"job": "orders"}) == 2


def test_jobs_are_asked_about_at_each_scrape_anew() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert registry.get_sample_value("syncd_job_running", {"job": "orders"}) is None
    readings = [JobReading("orders", 60, blocked=False, running=True, dead_letters=2)]
    metrics.watch(lambda: readings)
    assert registry.get_sample_value("syncd_job_running", {"job": "orders"}) == 1
    readings.clear()
    assert registry.get_sample_value("syncd_job_running", {"job": "orders"}) is None


def test_what_the_jobs_are_asked_through_fails_the_scrape_when_it_fails() -> None:
    registry = CollectorRegistry()

    def broken() -> list[JobReading]:
        raise OSError("no state")

    Metrics(registry).watch(broken)
    with pytest.raises(OSError, match="no state"):
        list(registry.collect())


def test_the_table_names_each_metric_once_and_says_what_it_means() -> None:
    names = [info.name for info in METRICS]
    assert len(set(names)) == len(names)
    assert all(info.name.startswith("syncd_") and info.meaning for info in METRICS)
    assert all(info.name.endswith("_total") == (info.kind == "counter") for info in METRICS)
    scraped = CollectorRegistry()
    Metrics(scraped)
    exposed = {family.name + ("_total" if family.type == "counter" else "") for family in scraped.collect()}
    assert exposed == set(names)
