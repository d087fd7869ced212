"""What syncd tells about itself while it runs: log lines and metrics."""

from syncd.telemetry.logs import bound, setup_logging
from syncd.telemetry.masking import hide_passwords
from syncd.telemetry.metrics import METRICS, JobReading, MetricInfo, Metrics
from syncd.telemetry.run_log import RunLog

__all__ = ["METRICS", "JobReading", "MetricInfo", "Metrics", "RunLog", "bound", "hide_passwords", "setup_logging"]
