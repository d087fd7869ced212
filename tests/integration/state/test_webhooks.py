"""Every change that somebody wants to know becomes one message for each of them, and stays until it has arrived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncd.errors import Conflict, NotFound
from syncd.model.job import Job, Origin
from syncd.model.run import Counts, RunStatus
from syncd.model.webhook import Delivery, DeliveryStatus, EventKind, Notice, Outcome, Webhook
from syncd.state import State, schema
from syncd.state.deliveries import KEPT
from syncd.state.webhooks import FORMER_SECRET_FOR
from tests.integration.state.values import NOW, SECOND, TTL, ask, definition, start, tick, together

HOLD = timedelta(seconds=30)
NOTICES: dict[str, Notice] = {}


def write(delivery_id: str, notice: Notice) -> str:
    NOTICES[delivery_id] = notice
    return f"{delivery_id} {notice.kind}"


def add(state: State, name: str = "one", **fields: object) -> Webhook:
    """Add a webhook."""
    return state.webhooks.add(name, "https://example.com/", "s" * 32, NOW, **fields)  # type: ignore[arg-type]


def told(state: State, webhook: Webhook) -> list[str]:
    """Tell all that happened, and return the kinds of what a webhook was told, oldest first."""
    while state.deliveries.spread(write, NOW):
        continue
    return [delivery.kind for delivery in reversed(state.deliveries.list(webhook.number, limit=1000))]


def finish(state: State, job: Job, status: RunStatus) -> int:
    """Take a job through a run that ends like this."""
    run, lease = start(state, job)
    state.runs.finish(lease, run.number, status, counts=Counts(), stages={}, watermark=None, error=None, now=NOW)
    return run.number


def completed(state: State, job: Job) -> None:
    finish(state, job, RunStatus.COMPLETED)


def with_warnings(state: State, job: Job) -> None:
    finish(state, job, RunStatus.COMPLETED_WITH_WARNINGS)


def failed(state: State, job: Job) -> None:
    finish(state, job, RunStatus.FAILED)


def timed_out(state: State, job: Job) -> None:
    finish(state, job, RunStatus.TIMED_OUT)


def canceled(state: State, job: Job) -> None:
    finish(state, job, RunStatus.CANCELED)


def canceled_before_it_began(state: State, job: Job) -> None:
    state.runs.request_cancel(ask(state, job).number, NOW)


def asked_to_cancel(state: State, job: Job) -> None:
    state.runs.request_cancel(start(state, job)[0].number, NOW)


def crashed(state: State, job: Job) -> None:
    start(state, job)
    assert len(state.leases.recover(NOW + TTL, lambda _: True)) == 1


def taken_over(state: State, job: Job) -> None:
    start(state, job)
    ask(state, job)
    assert state.leases.claim("other", NOW + TTL, TTL) is not None


def skipped(state: State, job: Job) -> None:
    tick(state, job, NOW)
    assert tick(state, job, NOW + SECOND).status is RunStatus.SKIPPED


def ended(state: State, job: Job) -> None:
    state.jobs.end(job.id, NOW)


def blocked(state: State, job: Job) -> None:
    state.jobs.block(job.id, "no such table", NOW)


def changed_in_other_ways(state: State, job: Job) -> None:
    state.jobs.pause(job.id, NOW)
    state.jobs.resume(job.id, NOW)
    state.events.record(None, "noted", "", NOW)


@pytest.mark.parametrize(
    ("happen", "kinds"),
    [
        (completed, ["run.started", "run.completed"]),
        (with_warnings, ["run.started", "run.completed"]),
        (failed, ["run.started", "run.failed"]),
        (timed_out, ["run.started", "run.failed"]),
        (crashed, ["run.started", "run.failed"]),
        (taken_over, ["run.started", "run.failed", "run.started"]),
        (canceled, ["run.started", "run.canceled"]),
        (canceled_before_it_began, ["run.canceled"]),
        (asked_to_cancel, ["run.started"]),
        (skipped, []),
        (ended, ["job.ended"]),
        (blocked, ["job.blocked"]),
        (changed_in_other_ways, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_happens_is_told_once_and_in_order(
    state: State, job: Job, happen: Callable[[State, Job], None], kinds: list[str]
) -> None:
    webhook = add(state)
    happen(state, job)
    assert told(state, webhook) == kinds
    assert told(state, webhook) == kinds


def test_a_message_knows_its_run_and_its_job(state: State, job: Job) -> None:
    webhook = add(state)
    number = finish(state, job, RunStatus.COMPLETED)
    state.jobs.block(job.id, "no such table", NOW)
    told(state, webhook)
    blocked, completed, started = state.deliveries.list(webhook.number)
    assert started.body == f"{started.id} run.started"
    assert (completed.run_number, completed.job_id, completed.status) == (number, job.id, DeliveryStatus.PENDING)
    assert NOTICES[completed.id].run == state.runs.get(number)
    assert NOTICES[blocked.id] == Notice("job.blocked", NOW, "no such table", job.id, "orders")


def test_a_change_that_is_undone_is_not_told(state: State, job: Job, state_url: str) -> None:
    """The event is part of the same transaction."""
    webhook = add(state)
    run = ask(state, job)
    engine = sa.create_engine(state_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE events")
    with pytest.raises(Exception, match="events"):
        state.leases.claim("me", NOW, TTL, run.number)
    with engine.begin() as connection:
        schema.events.create(connection)
    engine.dispose()
    assert state.runs.get(run.number).status is RunStatus.QUEUED
    assert told(state, webhook) == []


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"events": [EventKind.RUN_COMPLETED]}, ["run.completed"]),
        ({"events": [EventKind.RUN_STARTED, EventKind.JOB_ENDED]}, ["run.started"]),
        ({"jobs": ["orders"]}, ["run.started", "run.completed"]),
        ({"jobs": ["other"]}, []),
        ({"jobs": []}, []),
        ({"jobs": ["other", "orders"], "events": [EventKind.RUN_FAILED]}, []),
        ({"enabled": False}, []),
    ],
)
def test_a_webhook_is_told_what_it_asked_for(
    state: State, job: Job, fields: dict[str, object], kinds: list[str]
) -> None:
    all_of_it, some = add(state), add(state, "two", **fields)
    completed(state, job)
    assert told(state, some) == kinds
    assert told(state, all_of_it) == ["run.started", "run.completed"]


def test_what_happened_before_a_webhook_was_there_is_not_told(state: State, job: Job) -> None:
    completed(state, job)
    late = state.webhooks.add("late", "https://example.com/", "s" * 32, NOW + SECOND)
    assert told(state, late) == []


def test_more_events_than_one_batch_holds_are_told_in_order(state: State, job: Job) -> None:
    webhook = add(state)
    for number in range(500):
        state.events.record(job.id, "job_blocked", str(number), NOW)
    assert len(told(state, webhook)) == 500
    details = [NOTICES[delivery.id].detail for delivery in state.deliveries.list(webhook.number, limit=1000)]
    assert details == [str(number) for number in reversed(range(500))]


def test_an_event_whose_transaction_ends_late_is_told_all_the_same(postgres_url: str) -> None:
    """Its number is smaller than those of events that were told before it could be seen."""
    state = State.open(postgres_url)
    job = state.jobs.put("orders", definition(), Origin.FILE, NOW)
    other = state.jobs.put("other", definition(), Origin.FILE, NOW)
    webhook = add(state)
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        values = {"job_id": job.id, "kind": "job_blocked", "detail": "late", "at": NOW}
        connection.execute(sa.insert(schema.events).values(**values))
        state.jobs.end(other.id, NOW)
        assert told(state, webhook) == ["job.ended"]
    engine.dispose()
    assert told(state, webhook) == ["job.ended", "job.blocked"]
    state.close()


def test_many_who_tell_at_once_make_one_message_of_each_event(state: State, job: Job) -> None:
    webhook = add(state)
    for _ in range(5):
        completed(state, job)
    together(8, lambda _: state.deliveries.spread(write, NOW))
    assert len(told(state, webhook)) == 10


def one(state: State, job: Job, webhook: Webhook) -> Delivery:
    """Make one message and take it."""
    state.jobs.block(job.id, "x", NOW)
    state.jobs.unblock(job.id, NOW)
    told(state, webhook)
    taken = state.deliveries.take(webhook.number, NOW, HOLD)
    assert taken is not None
    return taken[1]


def test_a_message_that_was_taken_is_nobody_elses_until_its_holder_is_given_up(state: State, job: Job) -> None:
    webhook = add(state)
    delivery = one(state, job, webhook)
    assert (delivery.attempts, delivery.next_attempt_at) == (1, NOW + HOLD)
    assert state.deliveries.due(NOW + HOLD - SECOND) == []
    assert state.deliveries.take(webhook.number, NOW + HOLD - SECOND, HOLD) is None
    assert state.deliveries.due(NOW + HOLD) == [webhook.number]
    again = state.deliveries.take(webhook.number, NOW + HOLD, HOLD)
    assert again is not None
    assert (again[0], again[1].id, again[1].body, again[1].attempts) == (webhook, delivery.id, delivery.body, 2)


def test_many_who_take_at_once_take_each_message_once(state: State, job: Job) -> None:
    webhook = add(state)
    for _ in range(4):
        completed(state, job)
    told(state, webhook)
    taken = together(8, lambda _: state.deliveries.take(webhook.number, NOW, HOLD))
    numbers = [found[1].number for found in taken if found is not None]
    assert len(numbers) == len(set(numbers)) == 8


@pytest.mark.parametrize(
    ("outcome", "status", "next_at"),
    [
        (Outcome(204), DeliveryStatus.DELIVERED, None),
        (Outcome(500, "no", NOW + SECOND), DeliveryStatus.PENDING, NOW + SECOND),
        (Outcome(None, "no answer"), DeliveryStatus.FAILED, None),
    ],
)
def test_the_outcome_of_an_attempt_decides_what_comes_next(
    state: State, job: Job, outcome: Outcome, status: DeliveryStatus, next_at: object
) -> None:
    webhook = add(state)
    delivery = one(state, job, webhook)
    state.deliveries.record(delivery, outcome, NOW)
    found = state.deliveries.get(webhook.number, delivery.number)
    assert (found.status, found.next_attempt_at, found.last_status, found.last_error) == (
        status,
        next_at,
        outcome.status,
        outcome.error,
    )
    assert (found.delivered_at == NOW) == (status is DeliveryStatus.DELIVERED)
    assert (state.deliveries.due(NOW + SECOND) == []) == (next_at is None)


def test_a_message_that_arrived_is_not_lost_to_a_late_failure(state: State, job: Job) -> None:
    webhook = add(state)
    delivery = one(state, job, webhook)
    state.deliveries.record(delivery, Outcome(200), NOW)
    state.deliveries.record(delivery, Outcome(None, "timeout"), NOW)
    found = state.deliveries.get(webhook.number, delivery.number)
    assert (found.status, found.last_error) == (DeliveryStatus.DELIVERED, None)


def test_a_disabled_webhook_keeps_its_messages_for_later(state: State, job: Job) -> None:
    webhook = add(state)
    completed(state, job)
    told(state, webhook)
    state.webhooks.change(webhook.number, NOW, enabled=False)
    assert state.deliveries.due(NOW) == []
    assert state.deliveries.take(webhook.number, NOW, HOLD) is None
    state.webhooks.change(webhook.number, NOW, enabled=True)
    assert state.deliveries.due(NOW) == [webhook.number]


def test_redelivery_begins_anew_under_the_same_id(state: State, job: Job) -> None:
    webhook, other = add(state), add(state, "two")
    delivery = one(state, job, webhook)
    state.deliveries.record(delivery, Outcome(None, "no"), NOW)
    again = state.deliveries.redeliver(webhook.number, delivery.number, NOW + SECOND)
    assert (again.id, again.status, again.attempts, again.next_attempt_at) == (
        delivery.id,
        DeliveryStatus.PENDING,
        0,
        NOW + SECOND,
    )
    with pytest.raises(NotFound):
        state.deliveries.redeliver(other.number, delivery.number, NOW)
    state.webhooks.change(webhook.number, NOW, enabled=False)
    with pytest.raises(Conflict, match="disabled"):
        state.deliveries.redeliver(webhook.number, delivery.number, NOW)


def test_history_is_bounded_for_each_webhook_and_what_is_under_way_stays(
    state: State, job: Job, state_url: str
) -> None:
    webhook, other = add(state), add(state, "two")
    oldest = one(state, job, webhook)
    row = {"webhook": webhook.number, "kind": "ping", "body": "", "attempts": 1, "created_at": NOW}
    engine = sa.create_engine(state_url)
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.webhook_deliveries), [{**row, "status": "failed"}] * (KEPT + 5))
    engine.dispose()
    last = state.deliveries.add_ping(webhook.number, write, NOW, HOLD)
    state.deliveries.record(last, Outcome(200), NOW)
    kept = state.deliveries.list(webhook.number, limit=2 * KEPT)
    assert (len(kept), kept[0].number, kept[-1].number) == (KEPT + 1, last.number, oldest.number)
    assert len(state.deliveries.list(other.number)) == 1


def test_pages_of_deliveries_and_of_webhooks_follow_each_other(state: State) -> None:
    webhooks = [add(state, f"w{number}") for number in range(5)]
    assert state.webhooks.list(limit=2, after=webhooks[1].number) == webhooks[2:4]
    pings = [state.deliveries.add_ping(webhooks[0].number, write, NOW, HOLD).number for _ in range(5)]
    found = state.deliveries.list(webhooks[0].number, limit=2, before=pings[3])
    assert [delivery.number for delivery in found] == [pings[2], pings[1]]


def test_names_are_unique(state: State) -> None:
    first, second = add(state), add(state, "two")
    with pytest.raises(Conflict, match="'one' already"):
        add(state)
    with pytest.raises(Conflict, match="'one' already"):
        state.webhooks.change(second.number, NOW, name="one")
    assert state.webhooks.change(first.number, NOW, name="one") == first
    made = together(8, lambda _: _attempt(lambda: add(state, "three")))
    assert sum(made) == 1


def _attempt(work: Callable[[], object]) -> bool:
    try:
        work()
    except Conflict:
        return False
    return True


def test_a_change_changes_what_it_names_and_nothing_else(state: State) -> None:
    webhook = add(state, jobs=["a"], events=[EventKind.RUN_FAILED], max_seconds_behind=60)
    changed = state.webhooks.change(webhook.number, NOW + SECOND, jobs=None, url="https://other.example/")
    assert changed.jobs is None
    assert (changed.url, changed.events, changed.max_seconds_behind) == (
        "https://other.example/",
        webhook.events,
        60,
    )
    assert (changed.created_at, changed.updated_at) == (NOW, NOW + SECOND)
    assert state.webhooks.change(webhook.number, NOW, jobs=["b", "a", "b"]).jobs == frozenset({"a", "b"})


def test_a_replaced_secret_signs_for_another_day(state: State) -> None:
    webhook = add(state)
    assert webhook.secrets(NOW) == ("s" * 32,)
    rotated = state.webhooks.rotate(webhook.number, "t" * 32, NOW)
    assert rotated.secrets(NOW + FORMER_SECRET_FOR - SECOND) == ("t" * 32, "s" * 32)
    assert rotated.secrets(NOW + FORMER_SECRET_FOR) == ("t" * 32,)
    again = state.webhooks.rotate(webhook.number, "u" * 32, NOW)
    assert again.secrets(NOW) == ("u" * 32, "t" * 32)
    assert "ttt" not in repr(again) + str(again)


def test_a_webhook_goes_with_all_that_is_its_own(state: State, job: Job) -> None:
    webhook, other = add(state, max_seconds_behind=60), add(state, "two")
    delivery = one(state, job, webhook)
    state.breaches.judge(job, 100, NOW)
    state.webhooks.remove(webhook.number)
    with pytest.raises(NotFound):
        state.webhooks.get(webhook.number)
    with pytest.raises(NotFound):
        state.webhooks.remove(webhook.number)
    state.deliveries.record(delivery, Outcome(200), NOW)
    assert state.deliveries.list(webhook.number) == []
    assert told(state, other) == ["job.blocked"]


def test_a_breach_is_told_once_to_those_who_allow_less_and_again_after_a_recovery(state: State, job: Job) -> None:
    strict, lax = add(state, "strict", max_seconds_behind=60), add(state, "lax", max_seconds_behind=600)
    never, elsewhere = add(state, "never"), add(state, "elsewhere", max_seconds_behind=60, jobs=["other"])

    def counts() -> list[int]:
        return [told(state, webhook).count("freshness.breached") for webhook in (strict, lax, never, elsewhere)]

    for seconds, expected in [
        (60, [0, 0, 0, 0]),
        (61, [1, 0, 0, 0]),
        (120, [1, 0, 0, 0]),
        (601, [1, 1, 0, 0]),
        (0, [1, 1, 0, 0]),
        (700, [2, 2, 0, 0]),
    ]:
        state.breaches.judge(job, seconds, NOW)
        assert counts() == expected, seconds
    newest = state.deliveries.list(lax.number)[0]
    assert NOTICES[newest.id].detail == "700 seconds behind its table; at most 600 are allowed"


def test_a_breach_that_many_find_at_once_is_told_once(state: State, job: Job) -> None:
    webhook = add(state, max_seconds_behind=60)
    together(8, lambda _: state.breaches.judge(job, 100, NOW))
    assert told(state, webhook) == ["freshness.breached"]


def test_nobody_looks_unless_somebody_asked(state: State) -> None:
    add(state)
    assert not state.breaches.watched()
    webhook = add(state, "two", max_seconds_behind=60)
    assert state.breaches.watched()
    state.webhooks.change(webhook.number, NOW, enabled=False)
    assert not state.breaches.watched()


def test_events_of_runs_go_after_their_runs_and_only_when_they_were_told(state: State, job: Job) -> None:
    for _ in range(3):
        completed(state, job)
    state.runs.prune(job.id, keep=1)
    assert state.events.prune() == 0
    told(state, add(state))
    kept = {run.number for run in state.runs.list()}
    assert state.events.prune() == 2 * (3 - len(kept)) > 0
    assert {event.run_number for event in state.events.list()} == {*kept, None}
