"""A state whose server lives and says nothing is an error with a remedy, after as long as a statement may take."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncd.errors import Unavailable
from syncd.state import State
from tests.proxy import proxy


@pytest.mark.timeout(60)
def test_a_silent_state_is_given_up_and_used_again_when_it_answers(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.state.database._STATEMENT_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr("syncd.postgres.MARGIN", timedelta(seconds=0.5))
    direct = sa.make_url(postgres_url)
    with proxy(f"{direct.query['host']}/.s.PGSQL.5432") as network:
        through = direct.set(host="127.0.0.1", port=network.port, query={"connect_timeout": "2"})
        state = State.open(through.render_as_string(hide_password=False))
        network.silence()
        with pytest.raises(Unavailable, match="check that the server runs"):
            state.ping()
        network.heal()
        state.ping()
        state.close()
