"""Knowledge bases: which there are, and what is in them by meaning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from syncd.api.access import caller_with, require_knowledge_base
from syncd.api.pages import Listed, NameCursor, Paging, cursor, listed
from syncd.api.schemas import Found, KnowledgeBaseView, MatchView, SearchRequest
from syncd.api.services import Services
from syncd.errors import NotFound
from syncd.model.access import Caller, Scope

Reader = Annotated[Caller, Depends(caller_with(Scope.KB_READ))]


class KnowledgeBasesQuery(Paging):
    """Which knowledge bases to list."""

    cursor: NameCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of knowledge bases."""
    routes = APIRouter(prefix="/v1/knowledge-bases", tags=["knowledge bases"])

    @routes.get("")
    def list_knowledge_bases(
        caller: Reader, query: Annotated[KnowledgeBasesQuery, Query()], request: Request, response: Response
    ) -> Listed[KnowledgeBaseView]:
        """List the knowledge bases by name."""
        within = sorted(filter(caller.reaches_knowledge_base, services.knowledge_bases()))
        names = [name for name in within if query.cursor is None or name > query.cursor]
        return listed(
            names,
            query.limit,
            mark=lambda name: cursor("knowledge-bases", name),
            show=lambda name: KnowledgeBaseView(name=name),
            request=request,
            answer=response,
        )

    @routes.post("/{name}/search")
    def search(caller: Reader, name: str, wanted: SearchRequest) -> Found:
        """Find the chunks that are nearest in meaning to a text."""
        if require_knowledge_base(caller, name) not in services.knowledge_bases():
            raise NotFound(f"there is no knowledge base {name[:128]!r}", "GET /v1/knowledge-bases lists them")
        matches = services.search(name, wanted.query, wanted.k, wanted.where)
        return Found(data=[MatchView.of(match) for match in matches])

    return routes
