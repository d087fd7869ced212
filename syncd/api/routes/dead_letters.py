"""Dead letters: the rows that could not be synced, until they can."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from syncd.api.access import reach_job
from syncd.api.dead_letter_views import MOST_KEYS, DeadLetterView, Discarded, Key, Replay
from syncd.api.pages import DeadLetterCursor, Listed, Paging, cursor, listed
from syncd.api.routes.jobs import Reader, Writer
from syncd.api.routes.triggers import Pusher
from syncd.api.run_views import RunView
from syncd.api.services import Services
from syncd.errors import Fault, Invalid, NotFound
from syncd.model.job import Job
from syncd.model.run import RunOptions, Trigger
from syncd.triggers import Wish


class DeadLettersQuery(Paging):
    """Which dead letters to list."""

    key: Key | None = None
    """Only the one of this key."""
    cursor: DeadLetterCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of a job's dead letters."""
    routes = APIRouter(prefix="/v1/jobs/{job}/dead-letters", tags=["jobs"])
    state = services.state

    def require(job: Job, keys: Collection[str]) -> None:
        missing = sorted(set(keys) - {letter.key for letter in state.dead_letters.among(job.id, keys)})
        if missing:
            some = ", ".join(key[:128] for key in missing[:5]) + (" ..." if len(missing) > 5 else "")
            raise NotFound(
                f"{job.name} has no dead letter of these keys: {some}", "they may have been synced meanwhile"
            )

    @routes.get("")
    def list_dead_letters(
        caller: Reader, job: str, query: Annotated[DeadLettersQuery, Query()], request: Request, response: Response
    ) -> Listed[DeadLetterView]:
        """List the rows of a job that could not be synced, in the order of their keys."""
        found = reach_job(state, caller, job).id
        letters = (
            state.dead_letters.list(found, query.limit + 1, query.cursor)
            if query.key is None
            else state.dead_letters.among(found, [query.key])
        )
        return listed(
            letters,
            query.limit,
            mark=lambda letter: cursor("dead-letters", letter.key),
            show=DeadLetterView.of,
            request=request,
            answer=response,
        )

    @routes.post("/replay", status_code=201)
    def replay_dead_letters(caller: Pusher, job: str, wanted: Replay) -> RunView:
        """Ask for a run that reads the rows of dead letters once more, wherever the watermark is."""
        found = reach_job(state, caller, job)
        require(found, wanted.keys)
        options = RunOptions(replay=True, keys=tuple(wanted.keys))
        run = services.triggers.ask(found, Wish(options, Trigger.API, by=caller.name))
        services.wake()
        return RunView.of(run)

    @routes.delete("")
    def discard_dead_letters(
        caller: Writer,
        job: str,
        key: Annotated[
            list[Key] | None, Query(max_length=MOST_KEYS, description="The key of one; may be repeated.")
        ] = None,
        every: Annotated[bool, Query(alias="all", description="Every dead letter of the job.")] = False,
    ) -> Discarded:
        """Forget dead letters; a row that still cannot be synced comes back when a run reads it next."""
        found = reach_job(state, caller, job)
        if bool(key) == every:
            raise Invalid([Fault("key", "give either key, as often as needed, or all=true")])
        require(found, key or ())
        discarded = state.dead_letters.discard(found.id, key or None, caller.name, services.clock())
        return Discarded(discarded=discarded)

    return routes
