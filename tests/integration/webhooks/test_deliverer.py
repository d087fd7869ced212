"""Messages arrive at real receivers: signed, in order, at least once each, and nobody waits for somebody else."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from syncd.api.webhook_views import shown_run
from syncd.errors import Unavailable
from syncd.model.job import Job, JobDefinition, Origin
from syncd.model.run import Counts, Request, Run, RunStatus, Trigger
from syncd.model.webhook import Delivery, DeliveryStatus, EventKind, Webhook
from syncd.state import State
from syncd.webhooks import Deliverer, Sender
from syncd.webhooks.deliverer import HOLD, SENDERS
from tests.engine import Gate
from tests.receiver import Receiver, receiving
from tests.waiting import until

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOOPBACK = [ip_network("127.0.0.0/8")]
SECRET = "correct horse battery staple, at least 32"
DEFINITION = JobDefinition.model_validate(
    {
        "source_table": "shop.orders",
        "kb_name": "orders_kb",
        "content_columns": ["product"],
        "filter_column": "created_at",
        "interval": "10 MINUTES",
    }
)


@dataclass
class World:
    """A state, a job, and a clock that stands still."""

    state: State
    job: Job
    now: datetime = START

    def clock(self) -> datetime:
        return self.now

    def hook(self, receiver: Receiver, name: str = "one", **fields: object) -> Webhook:
        """Add a webhook that leads to a receiver."""
        return self.state.webhooks.add(name, receiver.url, SECRET, self.now, **fields)  # type: ignore[arg-type]

    def run(self, status: RunStatus = RunStatus.COMPLETED, job: Job | None = None) -> Run:
        """Take a job through one run."""
        run = self.state.queue.enqueue(job or self.job, Request(Trigger.MANUAL, self.now), self.now)
        claimed = self.state.leases.claim("me", self.now, timedelta(minutes=1), run.number)
        assert claimed is not None
        error = None if status is RunStatus.COMPLETED else "postgresql://user:hidden@host/db is down"
        counts = Counts(records_read=3, embedded=3)
        return self.state.runs.finish(
            claimed[1], run.number, status, counts=counts, stages={}, watermark="7", error=error, now=self.now
        )

    def deliverer(self, sender: Sender | None = None) -> Deliverer:
        """A deliverer that is not started."""
        return Deliverer(self.state, sender or Sender(LOOPBACK), shown_run, self.clock, chance=lambda: 0)

    @contextmanager
    def delivering(self, sender: Sender | None = None) -> Iterator[Deliverer]:
        """Deliver while the block runs."""
        deliverer = self.deliverer(sender)
        deliverer.start()
        try:
            yield deliverer
        finally:
            deliverer.stop(20)

    def newest(self, webhook: Webhook) -> Delivery:
        """The message that was made last."""
        return self.state.deliveries.list(webhook.number, limit=1)[0]

    def settled(self, webhook: Webhook, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> bool:
        """Tell whether there are messages, and all of them have come to this."""
        found = self.state.deliveries.list(webhook.number, limit=1000)
        return bool(found) and all(delivery.status is status for delivery in found)

    def attempted(self, webhook: Webhook, count: int) -> bool:
        """Tell whether so many attempts at the newest message were made and recorded."""
        found = self.state.deliveries.list(webhook.number, limit=1)
        return bool(found) and found[0].attempts == count and found[0].next_attempt_at != self.now + HOLD


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield World(state, state.jobs.put("orders", DEFINITION, Origin.FILE, START))
    state.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_a_run_is_told_as_the_api_shows_it_and_the_signature_holds(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    run = world.run()
    with world.delivering():
        until(lambda: world.settled(webhook))
    assert receiver.events == ["run.started", "run.completed"]
    message = receiver.received[1]
    assert message.said == {
        "id": message.id,
        "event": "run.completed",
        "created_at": "2026-01-02T03:04:05Z",
        "detail": None,
        "job": {"id": "job_1", "name": "orders"},
        "run": shown_run(world.state.runs.get(run.number)),
    }
    assert message.said["run"]["id"] == run.id
    assert message.path == "/hook?source=syncd"
    assert message.headers["Content-Type"] == "application/json"
    assert message.headers["X-Syncd-Timestamp"] == str(int(START.timestamp()))
    assert message.is_signed_with(SECRET)
    assert not message.is_signed_with(SECRET + "x")


def test_passwords_are_not_told(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    world.run(RunStatus.FAILED)
    world.state.jobs.block(world.job.id, "mysql://user:hidden@host/db has no table", START)
    with world.delivering():
        until(lambda: world.settled(webhook))
    assert receiver.events == ["run.started", "run.failed", "job.blocked"]
    assert receiver.received[2].said["detail"] == "mysql://user:***@host/db has no table"
    assert [message for message in receiver.received if b"hidden" in message.body] == []


def test_messages_come_in_the_order_of_the_events(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    runs = [world.run().id for _ in range(10)]
    with world.delivering():
        until(lambda: world.settled(webhook))
    told = [(message.said["run"]["id"], message.event) for message in receiver.received]
    assert told == [(run, event) for run in runs for event in ("run.started", "run.completed")]


def test_only_what_was_asked_for_comes(world: World, receiver: Receiver) -> None:
    other = world.state.jobs.put("other", DEFINITION, Origin.FILE, START)
    with receiving() as of_other, receiving() as disabled:
        hooks = [
            world.hook(receiver, events=[EventKind.RUN_FAILED]),
            world.hook(of_other, "two", jobs=["other"]),
        ]
        world.hook(disabled, "three", enabled=False)
        world.run()
        world.run(RunStatus.FAILED)
        world.run(job=other)
        with world.delivering():
            until(lambda: all(world.settled(hook) for hook in hooks))
        assert receiver.events == ["run.failed"]
        assert [message.said["job"]["name"] for message in of_other.received] == ["other", "other"]
        assert disabled.received == []


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (500, {}, 10),
        (404, {}, 10),
        (302, {"Location": "http://127.0.0.1:1/"}, 10),
        (429, {"Retry-After": "90"}, 90),
        (503, {"Retry-After": format_datetime(START + timedelta(seconds=70), usegmt=True)}, 70),
    ],
)
def test_what_was_not_taken_is_sent_again_after_a_pause_under_the_same_id(
    world: World, receiver: Receiver, status: int, headers: dict[str, str], pause: int
) -> None:
    webhook = world.hook(receiver, events=[EventKind.RUN_COMPLETED])
    receiver.answers = [(status, headers), (200, {})]
    world.run()
    with world.delivering() as deliverer:
        until(lambda: world.attempted(webhook, 1))
        waiting = world.newest(webhook)
        assert (waiting.status, waiting.last_status) == (DeliveryStatus.PENDING, status)
        assert waiting.last_error == f"the receiver answered {status}"
        assert waiting.next_attempt_at == START + timedelta(seconds=pause)
        world.now = START + timedelta(seconds=pause)
        deliverer.wake()
        until(lambda: world.settled(webhook))
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["X-Syncd-Timestamp"]) - int(first.headers["X-Syncd-Timestamp"]) == pause
    assert second.is_signed_with(SECRET)
    assert second.headers["X-Syncd-Signature"] != first.headers["X-Syncd-Signature"]
    assert (world.newest(webhook).attempts, world.newest(webhook).delivered_at) == (2, world.now)


def test_after_twelve_attempts_it_has_failed_until_somebody_asks_again(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = world.hook(receiver, events=[EventKind.RUN_COMPLETED])
    receiver.answers = [(500, {})] * 12
    world.run()
    with world.delivering() as deliverer:
        for attempt in range(1, 13):
            until(lambda count=attempt: world.attempted(webhook, count))  # type: ignore[misc]  # a default binds it
            world.now += timedelta(hours=1)
            deliverer.wake()
        assert world.newest(webhook).status is DeliveryStatus.FAILED
        world.state.deliveries.redeliver(webhook.number, world.newest(webhook).number, world.now)
        deliverer.wake()
        until(lambda: world.settled(webhook))
    assert len(receiver.received) == 13
    assert len(set(receiver.ids)) == 1
    assert "did not arrive at webhook one in 12 attempts: the receiver answered 500" in caplog.text


def test_a_message_that_waits_lets_the_later_ones_pass(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    receiver.answers = [(500, {})]
    world.run()
    with world.delivering():
        until(lambda: len(receiver.received) == 2)
        until(lambda: world.newest(webhook).status is DeliveryStatus.DELIVERED)
    assert receiver.events == ["run.started", "run.completed"]


def test_slow_receivers_hold_up_nobody_else(world: World, receiver: Receiver) -> None:
    gate = Gate()
    with receiving() as slow:
        slow.before = gate
        for number in range(SENDERS - 1):
            world.hook(slow, f"slow{number}")
        webhook = world.hook(receiver, "quick")
        runs = [world.run() for _ in range(5)]
        with world.delivering():
            until(lambda: world.settled(webhook))
            assert len(receiver.received) == 2 * len(runs)
            until(lambda: len(slow.received) == SENDERS - 1)
            assert set(slow.events) == {"run.started"}, "each has one message under way"
            gate.open()


def test_more_slow_receivers_than_threads_take_turns_with_the_others(world: World, receiver: Receiver) -> None:
    """None answers in time, and there is always more for each of them."""
    gate = Gate()
    with receiving() as slow:
        slow.before = gate
        for number in range(SENDERS + 4):
            world.hook(slow, f"slow{number}")
        webhook = world.hook(receiver, "quick", events=[EventKind.RUN_COMPLETED])
        for _ in range(5):
            world.run()
        with world.delivering(Sender(LOOPBACK, seconds=0.2)):
            until(lambda: world.settled(webhook))
            gate.open()
    assert len(receiver.received) == 5


def test_a_private_address_is_refused_at_each_delivery(world: World, receiver: Receiver) -> None:
    """Whatever was so when the webhook was made."""
    webhook = world.hook(receiver)
    world.run()
    with world.delivering(Sender()):
        until(lambda: world.attempted(webhook, 1))
    assert receiver.received == []
    assert "127.0.0.1 has an address that is not public" in str(world.newest(webhook).last_error)


def test_after_a_rotation_both_secrets_sign_for_a_day(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    world.state.webhooks.rotate(webhook.number, "another secret that is long enough", START)
    with world.delivering() as deliverer:
        deliverer.ping(webhook.number)
        world.now += timedelta(hours=24)
        deliverer.ping(webhook.number)
    during, after = receiver.received
    assert during.is_signed_with(SECRET)
    assert during.is_signed_with("another secret that is long enough")
    assert after.is_signed_with("another secret that is long enough")
    assert not after.is_signed_with(SECRET)


KILLED = """
import os, signal, sys
from datetime import datetime
from ipaddress import ip_network
from syncd.api.webhook_views import shown_run
from syncd.state import State
from syncd.webhooks import Deliverer, Sender

class Killed(Sender):
    def post(self, url, headers, body):
        super().post(url, headers, body)
        os.kill(os.getpid(), signal.SIGKILL)

now = datetime.fromisoformat(sys.argv[2])
deliverer = Deliverer(State.open(sys.argv[1]), Killed([ip_network("127.0.0.0/8")]), shown_run, lambda: now)
deliverer.start()
deliverer._thread.join()
"""


def test_a_process_that_is_killed_before_it_could_record_sends_again_under_the_same_id(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    webhook = world.hook(receiver, events=[EventKind.RUN_COMPLETED])
    world.run()
    url = f"sqlite:///{tmp_path / 'state.db'}"
    killed = subprocess.run([sys.executable, "-c", KILLED, url, START.isoformat()], timeout=60, check=False)
    assert killed.returncode == -9
    assert world.newest(webhook).status is DeliveryStatus.PENDING
    world.now += HOLD
    with world.delivering():
        until(lambda: world.settled(webhook))
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert world.newest(webhook).attempts == 2


def test_what_happened_while_nobody_delivered_is_told_later(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    with world.delivering():
        pass
    run = world.run()
    world.state.runs.prune(world.job.id, keep=1)
    world.run()
    world.state.runs.prune(world.job.id, keep=1)
    with world.delivering():
        until(lambda: world.settled(webhook))
    assert receiver.events == ["run.started", "run.completed"] * 2
    assert receiver.received[0].said["run"]["id"] == run.id


def test_a_run_that_is_forgotten_is_told_by_its_id(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver)
    runs = [world.run() for _ in range(4)]
    world.state.runs.prune(world.job.id, keep=1)
    kept = {run.id for run in world.state.runs.list()}
    gone = next(run.id for run in runs if run.id not in kept)
    with world.delivering():
        until(lambda: world.settled(webhook))
    assert [message.said["run"] for message in receiver.received if message.said["run"]["id"] == gone] == [
        {"id": gone},
        {"id": gone},
    ]


def test_a_ping_is_sent_once_and_tells_how_it_went(world: World, receiver: Receiver) -> None:
    webhook = world.hook(receiver, enabled=False)
    deliverer = world.deliverer()
    good = deliverer.ping(webhook.number)
    assert (good.status, good.last_status, good.kind) == (DeliveryStatus.DELIVERED, 200, "ping")
    assert receiver.received[0].said == {
        "id": good.id,
        "event": "ping",
        "created_at": "2026-01-02T03:04:05Z",
        "detail": None,
        "job": None,
        "run": None,
    }
    receiver.answers = [(503, {"Retry-After": "1"})]
    bad = deliverer.ping(webhook.number)
    assert (bad.status, bad.last_error, bad.next_attempt_at) == (
        DeliveryStatus.FAILED,
        "the receiver answered 503",
        None,
    )


def test_a_state_that_is_away_for_a_while_costs_nothing(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("syncd.webhooks.deliverer.REPEAT_SECONDS", 0.05)
    webhook = world.hook(receiver)
    world.run()
    due, errors = world.state.deliveries.due, [Unavailable("the state is away"), ZeroDivisionError("odd")]

    def fail_at_first(now: datetime) -> list[int]:
        if errors:
            raise errors.pop(0)
        return due(now)

    monkeypatch.setattr(world.state.deliveries, "due", fail_at_first)
    with world.delivering():
        until(lambda: world.settled(webhook))
    assert "webhooks wait: the state is away" in caplog.text
    assert len(receiver.received) == 2


def test_stopping_waits_for_nobody_for_long(world: World, receiver: Receiver) -> None:
    gate = Gate()
    receiver.before = gate
    world.hook(receiver)
    world.run()
    deliverer = world.deliverer()
    deliverer.start()
    assert gate.reached.wait(20)
    stopped = threading.Thread(target=deliverer.stop, args=[0.1])
    stopped.start()
    stopped.join(5)
    assert not stopped.is_alive()
    gate.open()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("webhook")])
    assert len(receiver.received) == 1, "nothing new was begun"


def test_no_secret_and_no_path_is_logged(world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    webhook = world.hook(receiver)
    receiver.answers = [(500, {})]
    world.run()
    with world.delivering():
        until(lambda: len(receiver.received) == 2)
        until(lambda: world.newest(webhook).status is DeliveryStatus.DELIVERED)
    assert "at webhook one" in caplog.text
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("syncd"))
    assert SECRET not in caplog.text
    assert "/hook" not in ours
