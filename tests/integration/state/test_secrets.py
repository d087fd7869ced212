"""No password of the state's URL reaches a message (invariant 10)."""

from __future__ import annotations

import socket
import traceback

import pytest
import sqlalchemy as sa

from syncd.errors import SyncdError, Unavailable
from syncd.model.job import Job
from syncd.model.record import Reject
from syncd.model.run import Counts
from syncd.state import State
from tests.integration.state.values import NOW, checkpoint, start

CANARY = "s3cret-canary"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:{secret}@127.0.0.1:{port}/db",
        "postgresql://reader@127.0.0.1:{port}/db?password={secret}",
        "postgresql://reader:{secret}@127.0.0.1:{port}/db?nonsense=1",
        "mysql://reader:{secret}@127.0.0.1:{port}/db",
        "postgresql+nonsense://reader:{secret}@127.0.0.1:{port}/db",
        "{secret}",
    ],
)
def test_a_state_that_cannot_be_reached_is_named_without_its_password(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SyncdError) as raised:
            State.open(url.format(secret=CANARY, port=taken.getsockname()[1]))
    told = "".join(traceback.format_exception(raised.value))
    assert CANARY not in told, told
    assert isinstance(raised.value, Unavailable) == ("nonsense://" not in url and url.startswith("postgresql"))


def test_a_failing_statement_does_not_show_its_values(state: State, job: Job) -> None:
    run, lease = start(state, job)
    with pytest.raises(sa.exc.IntegrityError) as raised:
        state.checkpoints.commit(
            lease,
            run.number,
            checkpoint(),
            counts=Counts(),
            stages={},
            rejects=[Reject(CANARY, None)],  # type: ignore[arg-type] # what the database refuses
            resolved=[],
            now=NOW,
        )
    print(raised.value)
    assert f"'{CANARY}'" not in str(raised.value)


def test_a_state_does_not_show_its_url(state: State) -> None:
    assert "sqlite" not in repr(state)
    assert "postgresql" not in repr(state)
