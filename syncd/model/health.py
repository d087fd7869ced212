"""How well a job has been doing, as one number and what it is made of."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from syncd.model.run import SUCCESSFUL, Run, RunStatus


@dataclass(frozen=True, slots=True)
class JobHealth:
    """A job's runs of some time, summed up; durations are in seconds, the success rate is from 0 to 1.

    Args:
        health_score: 0 to 100: 70 for the success rate, 30 for durations that stay alike; None without runs.
    """

    total_runs: int
    completed_runs: int
    failed_runs: int
    timed_out_runs: int
    crashed_runs: int
    canceled_runs: int
    expired_runs: int
    success_rate: float | None
    avg_duration_secs: float | None
    p95_duration_secs: float | None
    health_score: float | None


def health_of(runs: Sequence[Run]) -> JobHealth:
    """Sum up runs that have ended; skipped ones do not count, canceled ones not against the success rate."""
    statuses: Counter[RunStatus] = Counter(run.status for run in runs if run.status is not RunStatus.SKIPPED)
    completed = sum(statuses[status] for status in SUCCESSFUL)
    judged = sum(statuses.values()) - statuses[RunStatus.CANCELED]
    durations = sorted(run.seconds for run in runs if run.seconds is not None)
    rate = completed / judged if judged else None
    return JobHealth(
        total_runs=sum(statuses.values()),
        completed_runs=completed,
        failed_runs=statuses[RunStatus.FAILED],
        timed_out_runs=statuses[RunStatus.TIMED_OUT],
        crashed_runs=statuses[RunStatus.CRASHED],
        canceled_runs=statuses[RunStatus.CANCELED],
        expired_runs=statuses[RunStatus.EXPIRED],
        success_rate=rate,
        avg_duration_secs=statistics.fmean(durations) if durations else None,
        # The nearest rank: the smallest duration that 95 of 100 runs do not exceed.
        p95_duration_secs=durations[-(-95 * len(durations) // 100) - 1] if durations else None,
        health_score=None if rate is None else round(70 * rate + 30 * _stability(durations), 1),
    )


def _stability(durations: Sequence[float]) -> float:
    """Return 1 for durations that are all alike, down to 0 where they vary by as much as they last."""
    mean = statistics.fmean(durations) if durations else 0.0
    if len(durations) < 2 or mean == 0:
        return 1.0
    return max(0.0, 1.0 - statistics.pstdev(durations) / mean)
