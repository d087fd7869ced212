"""Knowledge bases: which there are, how they are made and removed, and what is in them by meaning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from syncd.api.access import caller_with, require_knowledge_base
from syncd.api.pages import Listed, NameCursor, Paging, cursor, listed
from syncd.api.schemas import Found, MatchView, SearchRequest
from syncd.api.services import Services
from syncd.api.shelves import (
    KnowledgeBaseDetail,
    KnowledgeBaseView,
    NewKnowledgeBase,
    RebuildRequest,
    RebuildView,
)
from syncd.errors import NotFound
from syncd.model.access import Caller, Scope
from syncd.model.run import Trigger

Reader = Annotated[Caller, Depends(caller_with(Scope.KB_READ))]
Writer = Annotated[Caller, Depends(caller_with(Scope.KB_WRITE))]


class KnowledgeBasesQuery(Paging):
    """Which knowledge bases to list."""

    cursor: NameCursor | None = None
    """The `next_cursor` of the page before."""


class Removal(BaseModel):
    """What to remove."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    purge: bool = False
    """Remove the documents with it."""


def router(services: Services) -> APIRouter:
    """Return the routes of knowledge bases."""
    routes = APIRouter(prefix="/v1/knowledge-bases", tags=["knowledge bases"])
    library = services.library

    @routes.get("")
    def list_knowledge_bases(
        caller: Reader, query: Annotated[KnowledgeBasesQuery, Query()], request: Request, response: Response
    ) -> Listed[KnowledgeBaseView]:
        """List the knowledge bases by name; none is opened for it."""
        within = filter(caller.reaches_knowledge_base, library.names())
        names = [name for name in within if query.cursor is None or name > query.cursor]
        return listed(
            library.look(names[: query.limit + 1]),
            query.limit,
            mark=lambda holding: cursor("knowledge-bases", holding.name),
            show=lambda holding: KnowledgeBaseView.of(holding, caller),
            request=request,
            answer=response,
        )

    @routes.get("/{name}")
    def get_knowledge_base(caller: Reader, name: str) -> KnowledgeBaseDetail:
        """Show one knowledge base with its generations; it is not opened for it."""
        holding = library.get(require_knowledge_base(caller, name))
        return KnowledgeBaseDetail.with_generations(holding, services.rebuild.look_if_open(name), caller)

    @routes.post("", status_code=201)
    def create_knowledge_base(caller: Writer, wanted: NewKnowledgeBase, response: Response) -> KnowledgeBaseView:
        """Make an empty knowledge base and open it; when it cannot be opened, nothing is kept."""
        body = wanted.given()
        for field in ("name", "like"):
            if isinstance(named := body.get(field), str):
                require_knowledge_base(caller, named)
        made = library.create(body)
        response.headers["Location"] = f"/v1/knowledge-bases/{made.name}"
        return KnowledgeBaseView.of(made, caller)

    @routes.delete("/{name}", status_code=204)
    def delete_knowledge_base(caller: Writer, name: str, query: Annotated[Removal, Query()]) -> None:
        """Remove a knowledge base that was made through the API; one that is not empty only with `purge=true`."""
        library.remove(require_knowledge_base(caller, name), purge=query.purge)

    @routes.post("/{name}/rebuild", status_code=202)
    def rebuild_knowledge_base(caller: Writer, name: str, wanted: RebuildRequest) -> RebuildView:
        """Fill a new generation by the configuration's embedding, beside the one that serves until it is complete.

        Runs of the jobs that fill the knowledge base are asked for. While a rebuild goes on, no second one begins.
        """
        begun = services.rebuild.begin(require_knowledge_base(caller, name), recalls=wanted.from_existing)
        runs = services.rebuild.ask(begun, services.triggers, Trigger.API, caller.name)
        services.wake()
        visible = {
            job.name
            for job in services.state.jobs.list(include_ended=True)
            if caller.reaches(job.name, job.definition.database, job.definition.kb_name)
        }
        return RebuildView.of(begun, runs, visible)

    @routes.delete("/{name}/generations/{generation}", status_code=204)
    def drop_generation(caller: Writer, name: str, generation: str) -> None:
        """Remove a generation with all that it holds; the one that is being filled goes with its rebuild."""
        services.rebuild.drop(require_knowledge_base(caller, name), generation)

    @routes.post("/{name}/search")
    def search(caller: Reader, name: str, wanted: SearchRequest) -> Found:
        """Find the chunks that are nearest in meaning to a text."""
        if require_knowledge_base(caller, name) not in services.knowledge_bases():
            raise NotFound(f"there is no knowledge base {name[:128]!r}", "GET /v1/knowledge-bases lists them")
        matches = services.search(name, wanted.query, wanted.k, wanted.where)
        return Found(data=[MatchView.of(match) for match in matches])

    return routes
