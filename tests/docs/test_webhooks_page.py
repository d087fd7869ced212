"""The example on the page about webhooks tells genuine messages from others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from syncd.model.webhook import Delivery, DeliveryStatus, EventKind, Webhook
from syncd.webhooks.message import headers
from tests.docs.pages import ROOT, blocks, rows

PAGE = "docs/api/webhooks.md"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_example_accepts_what_syncd_signs_and_nothing_else() -> None:
    [block] = blocks("python", page=PAGE)
    names: dict[str, Any] = {}
    exec(block.text, names)  # noqa: S102 - the example of the page is what is tested
    is_genuine: Callable[..., bool] = names["is_genuine"]
    webhook = Webhook(
        number=1,
        name="one",
        url="https://example.com/",
        secret="new" * 12,
        events=frozenset(),
        jobs=None,
        max_seconds_behind=None,
        enabled=True,
        created_at=NOW,
        updated_at=NOW,
        former_secret="old" * 12,
        former_until=datetime(2026, 1, 3, tzinfo=UTC),
    )
    delivery = Delivery(
        7, 1, "ping", None, None, '{"id":"whd_7"}', DeliveryStatus.PENDING, 1, NOW, None, None, NOW, None
    )
    sent, body, at = headers(webhook, delivery, NOW), delivery.body.encode(), NOW.timestamp()
    assert is_genuine("new" * 12, sent, body, at + 299)
    assert is_genuine("old" * 12, sent, body, at)
    assert not is_genuine("other" * 12, sent, body, at)
    assert not is_genuine("new" * 12, sent, body + b" ", at)
    assert not is_genuine("new" * 12, sent, body, at + 301)
    assert not is_genuine("new" * 12, {**sent, "X-Syncd-Timestamp": str(int(at) + 1)}, body, at)
    assert not is_genuine("new" * 12, sent, body), "that was long ago"


def test_every_event_is_described() -> None:
    assert [row[0].strip("`") for row in rows(ROOT / PAGE, "Events") if "." in row[0]] == list(EventKind)
