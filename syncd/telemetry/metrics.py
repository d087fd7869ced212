"""Numbers for Prometheus: what runs did, and how each job stands at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd import __version__
from syncd.model.run import Run


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """What one metric is called and what it means.

    Args:
        name: as it appears in the exposition; a histogram's samples add `_bucket`, `_sum` and `_count`.
        labels: what its series are told apart by.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


METRICS = (
    MetricInfo("syncd_runs_total", "counter", ("job", "status"), "Runs that have ended, by how they ended."),
    MetricInfo(
        "syncd_rows_total",
        "counter",
        ("job", "outcome"),
        "Rows by what became of them: read, embedded, recalled, metadata_updated, unchanged, deleted, dead_lettered.",
    ),
    MetricInfo("syncd_embeddings_total", "counter", ("job",), "Chunks that were embedded."),
    MetricInfo("syncd_stage_seconds_total", "counter", ("job", "stage"), "Seconds that runs spent in each stage."),
    MetricInfo("syncd_run_seconds", "histogram", ("job",), "How long runs took, from their start to their end."),
    MetricInfo("syncd_rows_behind", "gauge", ("job",), "Rows above the watermark when they were last counted."),
    MetricInfo(
        "syncd_seconds_since_success",
        "gauge",
        ("job",),
        "Seconds since a run of the job was completed; without one, since the job was made.",
    ),
    MetricInfo("syncd_job_blocked", "gauge", ("job",), "1 while the job cannot work until someone changes something."),
    MetricInfo("syncd_job_running", "gauge", ("job",), "1 while a run of the job is going on."),
    MetricInfo("syncd_dead_letters", "gauge", ("job",), "Rows that could not be synced and wait to be mended."),
    MetricInfo("syncd_build_info", "gauge", ("version",), "1, with the version of the program as a label."),
)
"""Every metric of syncd, in the order of the exposition."""

_INFO = {metric.name: metric for metric in METRICS}
_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


@dataclass(frozen=True, slots=True)
class JobReading:
    """How one job stands at the moment of a scrape.

    Args:
        job: the job's name.
        seconds_since_success: see `syncd_seconds_since_success`.
        blocked: whether it cannot work until someone changes something.
        running: whether a run of it is going on.
        dead_letters: how many of its rows wait to be mended.
    """

    job: str
    seconds_since_success: float
    blocked: bool
    running: bool
    dead_letters: int


class Metrics(Collector):
    """Counts what runs do, and asks how the jobs stand when it is scraped.

    Args:
        registry: where the metrics are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(*_described("syncd_runs_total"), registry=None)
        self._rows = Counter(*_described("syncd_rows_total"), registry=None)
        self._embeddings = Counter(*_described("syncd_embeddings_total"), registry=None)
        self._stages = Counter(*_described("syncd_stage_seconds_total"), registry=None)
        self._seconds = Histogram(*_described("syncd_run_seconds"), registry=None, buckets=_BUCKETS)
        self._behind = Gauge(*_described("syncd_rows_behind"), registry=None)
        self._of_jobs: tuple[MetricWrapperBase, ...] = (
            self._runs,
            self._rows,
            self._embeddings,
            self._stages,
            self._seconds,
            self._behind,
        )
        self._build = Gauge(*_described("syncd_build_info"), registry=None)
        self._build.labels(__version__).set(1)
        self._read: Callable[[], Iterable[JobReading]] = lambda: ()
        registry.register(self)

    def run_finished(self, run: Run) -> None:
        """Count a run that has ended, skipped ones too."""
        self._runs.labels(run.job_name, run.status.value).inc()
        counts = run.counts
        outcomes = {
            "read": counts.records_read,
            "embedded": counts.embedded,
            "recalled": counts.recalled,
            "metadata_updated": counts.metadata_updated,
            "unchanged": counts.unchanged,
            "deleted": counts.deleted,
            "dead_lettered": counts.dead_lettered,
        }
        for outcome, rows in outcomes.items():
            self._rows.labels(run.job_name, outcome).inc(rows)
        self._embeddings.labels(run.job_name).inc(counts.chunks)
        for stage, seconds in run.stages.items():
            self._stages.labels(run.job_name, stage).inc(seconds)
        if run.seconds is not None:
            # A clock that was set back during the run must not make a sum fall.
            self._seconds.labels(run.job_name).observe(max(0.0, run.seconds))

    def rows_behind(self, job_name: str, rows: int) -> None:
        """Say how many rows of the job's source lie above its watermark."""
        self._behind.labels(job_name).set(rows)

    def forget(self, job_name: str) -> None:
        """Drop every series of a job that is no more."""
        for metric in self._of_jobs:
            metric.remove_by_labels({"job": job_name})

    def watch(self, read: Callable[[], Iterable[JobReading]]) -> None:
        """Ask `read` at each scrape how the jobs stand; what it raises fails the scrape."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, for the registry."""
        for metric in self._of_jobs:
            for family in metric.collect():
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family
        yield from self._readings()
        yield from self._build.collect()

    def _readings(self) -> Iterator[Metric]:
        since = _gauge("syncd_seconds_since_success")
        blocked = _gauge("syncd_job_blocked")
        running = _gauge("syncd_job_running")
        dead_letters = _gauge("syncd_dead_letters")
        for reading in self._read():
            since.add_metric([reading.job], reading.seconds_since_success)
            blocked.add_metric([reading.job], reading.blocked)
            running.add_metric([reading.job], reading.running)
            dead_letters.add_metric([reading.job], reading.dead_letters)
        yield from (since, blocked, running, dead_letters)


def _described(name: str) -> tuple[str, str, tuple[str, ...]]:
    info = _INFO[name]
    return info.name, info.meaning, info.labels


def _gauge(name: str) -> GaugeMetricFamily:
    info = _INFO[name]
    return GaugeMetricFamily(info.name, info.meaning, labels=info.labels)
