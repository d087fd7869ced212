"""What a message says, and the headers that prove who says it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from syncd import __version__
from syncd.model.run import Run
from syncd.model.schedule import as_utc
from syncd.model.webhook import Delivery, Notice, Webhook
from syncd.telemetry import hide_passwords

Show = Callable[[Run], Mapping[str, object]]
"""Returns a run as the API shows it, ready for JSON."""


def body(delivery_id: str, notice: Notice, show: Show) -> str:
    """Return the text of a message, in ASCII."""
    said: dict[str, object] = {
        "id": delivery_id,
        "event": notice.kind,
        "created_at": as_utc(notice.at).isoformat().replace("+00:00", "Z"),
        "detail": hide_passwords(notice.detail) or None,
        "job": None if notice.job_id is None else {"id": f"job_{notice.job_id}", "name": notice.job_name},
        "run": None,
    }
    if notice.run is not None:
        said["run"] = show(notice.run)
    elif notice.run_number is not None:
        said["run"] = {"id": f"run_{notice.run_number}"}
    return json.dumps(said, separators=(",", ":"))


def headers(webhook: Webhook, delivery: Delivery, now: datetime) -> dict[str, str]:
    """Return the headers of one attempt: only the time and the signature differ from those of the one before."""
    timestamp = str(int(now.timestamp()))
    signatures = (signature(secret, timestamp, delivery.body) for secret in webhook.secrets(now))
    return {
        "Content-Type": "application/json",
        "User-Agent": f"syncd/{__version__}",
        "X-Syncd-Event": delivery.kind,
        "X-Syncd-Delivery": delivery.id,
        "X-Syncd-Timestamp": timestamp,
        "X-Syncd-Signature": ", ".join(signatures),
    }


def signature(secret: str, timestamp: str, text: str) -> str:
    """Return `v1=` and the HMAC-SHA256, in hexadecimal, of the timestamp, a dot and the text."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.{text}".encode(), hashlib.sha256).hexdigest()
