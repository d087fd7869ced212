"""One live lease for each job; who has lost it changes nothing; who died is found."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncd.errors import LeaseLost
from syncd.model.job import Job, Origin
from syncd.model.record import Reject
from syncd.model.run import Counts, Lease, RunStatus
from syncd.state import State, is_alive, schema
from tests.integration.state.values import NOW, SECOND, TTL, ask, checkpoint, definition, start, tick, together


def _alive(_: str) -> bool:
    return True


def test_twenty_who_claim_at_once_have_one_winner(state: State, job: Job) -> None:
    run = ask(state, job)
    won = [claim for claim in together(20, lambda n: state.leases.claim(f"w{n}", NOW, TTL)) if claim]
    assert len(won) == 1
    assert won[0][0] == state.runs.get(run.number)
    assert (won[0][0].status, won[0][0].started_at) == (RunStatus.RUNNING, NOW)


def test_twenty_who_claim_among_ten_jobs_take_each_once(state: State) -> None:
    jobs = [state.jobs.put(f"j{n}", definition(), Origin.FILE, NOW) for n in range(10)]
    queued = {ask(state, job).number for job in jobs}

    def work(number: int) -> list[int]:
        mine = []
        # A claim may pass over a job that another is just claiming, so ask until the queue is empty.
        while state.runs.list(status=RunStatus.QUEUED):
            if claimed := state.leases.claim(f"w{number}", NOW, TTL):
                mine.append(claimed[0].number)
        return mine

    taken = [number for mine in together(20, work) for number in mine]
    assert sorted(taken) == sorted(queued)


def test_the_oldest_run_that_is_due_and_free_is_claimed_first(state: State, job: Job) -> None:
    other = state.jobs.put("other", definition(), Origin.FILE, NOW)
    assert state.leases.claim("me", NOW, TTL) is None
    first = ask(state, job)
    later = tick(state, other, NOW + SECOND)
    claimed = state.leases.claim("me", NOW, TTL)
    assert claimed is not None
    assert claimed[0].number == first.number
    ask(state, job)
    assert state.leases.claim("me", NOW, TTL) is None, "one is not due, the other's job is taken"
    claimed = state.leases.claim("me", NOW + SECOND, TTL)
    assert claimed is not None
    assert claimed[0].number == later.number


def test_one_run_can_be_asked_for_by_number(state: State, job: Job) -> None:
    other = state.jobs.put("other", definition(), Origin.FILE, NOW)
    ask(state, job)
    wanted = ask(state, other)
    claimed = state.leases.claim("me", NOW, TTL, wanted.number)
    assert claimed is not None
    assert claimed[0].number == wanted.number
    assert state.leases.claim("me", NOW, TTL, wanted.number) is None


def _wait_for_a_blocked_session(connection: sa.Connection) -> None:
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    while connection.scalar(waiting) == 0:
        pass


def test_a_run_that_is_canceled_while_it_is_being_claimed_is_not_started(postgres_url: str) -> None:
    state = State.open(postgres_url)
    job = state.jobs.put("orders", definition(), Origin.FILE, NOW)
    run = ask(state, job)
    engine = sa.create_engine(postgres_url)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(sa.select(schema.leases).with_for_update())
            claim = pool.submit(state.leases.claim, "me", NOW, TTL, run.number)
            _wait_for_a_blocked_session(connection)
            connection.execute(sa.update(schema.runs).values(status=RunStatus.CANCELED))
        assert claim.result() is None
    assert state.runs.get(run.number).status is RunStatus.CANCELED
    engine.dispose()
    state.close()


def test_the_token_grows_each_time_the_lease_changes_hands(state: State, job: Job) -> None:
    tokens = []
    for second in range(3):
        at = NOW + second * SECOND
        run, lease = start(state, job, at=at)
        tokens.append(lease.token)
        state.runs.finish(
            lease, run.number, RunStatus.COMPLETED, counts=Counts(), stages={}, watermark=None, error=None, now=at
        )
    assert tokens == [1, 2, 3]


def test_a_run_is_of_the_version_that_is_current_when_it_starts(state: State, job: Job) -> None:
    ask(state, job)
    state.jobs.put("orders", definition(interval="DAILY"), Origin.FILE, NOW)
    claimed = state.leases.claim("me", NOW, TTL)
    assert claimed is not None
    assert claimed[0].job_version == 2


def test_a_renewed_lease_outlives_its_first_term(state: State, job: Job) -> None:
    _, lease = start(state, job)
    state.leases.renew(lease, NOW + TTL / 2, TTL)
    ask(state, job)
    assert state.leases.claim("other", NOW + TTL, TTL) is None
    assert state.leases.recover(NOW + TTL, _alive) == []
    assert state.leases.claim("other", NOW + TTL * 2, TTL) is not None


def _commit(state: State, lease: Lease, number: int) -> None:
    state.checkpoints.commit(
        lease,
        number,
        checkpoint(999),
        counts=Counts(embedded=999),
        stages={},
        rejects=[Reject("bad", "reason")],
        resolved=["known"],
        now=NOW,
    )


def _renew(state: State, lease: Lease, _: int) -> None:
    state.leases.renew(lease, NOW, TTL)


def _progress(state: State, lease: Lease, number: int) -> None:
    state.runs.progress(lease, number, counts=Counts(embedded=999), stages={}, progress=1, attempt=9, now=NOW)


def _finish(state: State, lease: Lease, number: int) -> None:
    state.runs.finish(
        lease, number, RunStatus.COMPLETED, counts=Counts(), stages={}, watermark=None, error=None, now=NOW
    )


HOLDER_ACTS = pytest.mark.parametrize("act", [_commit, _renew, _progress, _finish])


@HOLDER_ACTS
def test_a_stale_holder_changes_nothing(state: State, job: Job, act: Callable[[State, Lease, int], None]) -> None:
    old_run, old = start(state, job, "paused")
    ask(state, job)
    claimed = state.leases.claim("successor", NOW + TTL, TTL)
    assert claimed is not None
    run, lease = claimed
    assert lease.token > old.token
    state.checkpoints.commit(
        lease,
        run.number,
        checkpoint(5),
        counts=Counts(embedded=5),
        stages={},
        rejects=[Reject("known", "reason")],
        resolved=[],
        now=NOW,
    )

    def picture() -> object:
        return (
            state.runs.list(),
            state.checkpoints.get(job.id),
            state.dead_letters.list(job.id),
            state.leases.recover(NOW + 2 * TTL - SECOND, _alive),
        )

    before = picture()
    assert state.runs.get(old_run.number).status is RunStatus.CRASHED
    for number in (old_run.number, run.number):
        with pytest.raises(LeaseLost, match="held no more"):
            act(state, old, number)
    assert picture() == before
    assert state.leases.renew(lease, NOW, TTL) is RunStatus.RUNNING


@HOLDER_ACTS
@pytest.mark.parametrize("change", [{"owner": "other"}, {"token": 2}, {"token": 0}, {"job_id": 12345}])
def test_a_lease_that_was_never_given_proves_nothing(
    state: State, job: Job, act: Callable[[State, Lease, int], None], change: dict[str, int]
) -> None:
    run, lease = start(state, job)
    with pytest.raises(LeaseLost):
        act(state, dataclasses.replace(lease, **change), run.number)  # type: ignore[arg-type] # fields of two types
    assert state.checkpoints.get(job.id) is None
    assert state.runs.get(run.number) == run


@pytest.mark.parametrize("act", [_commit, _progress, _finish])
def test_a_lease_of_one_job_does_not_open_another(
    state: State, job: Job, act: Callable[[State, Lease, int], None]
) -> None:
    run, _ = start(state, job)
    _, mine = start(state, state.jobs.put("other", definition(), Origin.FILE, NOW))
    with pytest.raises(LeaseLost):
        act(state, mine, run.number)
    assert state.checkpoints.get(mine.job_id) is None
    assert state.runs.get(run.number) == run


@HOLDER_ACTS
def test_a_finished_run_has_given_its_lease_back(
    state: State, job: Job, act: Callable[[State, Lease, int], None]
) -> None:
    run, lease = start(state, job)
    _finish(state, lease, run.number)
    with pytest.raises(LeaseLost):
        act(state, lease, run.number)


def test_a_run_whose_lease_expired_is_recovered_once_and_the_next_one_goes_on(state: State, job: Job) -> None:
    run, lease = start(state, job)
    state.runs.request_cancel(run.number, NOW)
    assert state.leases.recover(NOW + TTL - SECOND, _alive) == []
    (crashed,) = state.leases.recover(NOW + TTL, _alive)
    assert (crashed.number, crashed.status, crashed.finished_at) == (run.number, RunStatus.CRASHED, NOW + TTL)
    assert "lease expired" in str(crashed.error)
    assert state.leases.recover(NOW + TTL, _alive) == []
    _, successor = start(state, job, "successor", NOW + TTL)
    assert successor.token == lease.token + 1


def test_twenty_who_recover_at_once_report_a_crash_once(state: State, job: Job) -> None:
    run, _ = start(state, job)
    reports = together(20, lambda _: state.leases.recover(NOW + TTL, _alive))
    assert [found.number for report in reports for found in report] == [run.number]


def test_a_lease_renewed_while_others_look_is_left_alone(state: State, job: Job) -> None:
    run, lease = start(state, job, "thought dead")

    def alive(_: str) -> bool:
        state.leases.renew(lease, NOW + SECOND, TTL)
        return False

    assert state.leases.recover(NOW + SECOND, alive) == []
    assert state.runs.get(run.number).status is RunStatus.RUNNING


HOLDER = """
import sys
from datetime import datetime, timedelta
from syncd.state import State, owner_id
state = State.open(sys.argv[1])
run, lease = state.leases.claim(owner_id(), datetime.fromisoformat(sys.argv[2]), timedelta(hours=1))
print(run.number, flush=True)
sys.stdin.read()
"""


def test_a_run_whose_process_was_killed_is_recovered_long_before_its_lease_expires(
    state: State, job: Job, state_url: str
) -> None:
    queued = ask(state, job)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, state_url, NOW.isoformat()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == queued.number
        assert state.leases.recover(NOW + SECOND, is_alive) == [], "it is alive"
        process.kill()
        process.wait()
        (crashed,) = state.leases.recover(NOW + SECOND, is_alive)
    assert (crashed.number, crashed.status) == (queued.number, RunStatus.CRASHED)
    assert "ended without finishing" in str(crashed.error)
    assert start(state, job, at=NOW + timedelta(seconds=2))[1].token == 2
