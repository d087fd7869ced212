"""Databases: which there are, and which tables and columns a job could read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from syncd.api.access import caller_with, require_database
from syncd.api.pages import DatabaseCursor, Listed, Paging, TableCursor, cursor, listed, table_cursor
from syncd.api.services import Services
from syncd.api.shelves import DatabaseView, TableDetail, TableView
from syncd.model.access import Caller, Scope

Reader = Annotated[Caller, Depends(caller_with(Scope.JOBS_READ))]


class DatabasesQuery(Paging):
    """Which databases to list."""

    cursor: DatabaseCursor | None = None
    """The `next_cursor` of the page before."""


class TablesQuery(Paging):
    """Which tables to list."""

    schema_name: Annotated[str | None, Field(alias="schema", max_length=255)] = None
    """Only tables of this schema; without it, of every schema that can be read."""
    cursor: TableCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of databases."""
    routes = APIRouter(prefix="/v1/databases", tags=["databases"])

    @routes.get("")
    def list_databases(
        caller: Reader, query: Annotated[DatabasesQuery, Query()], request: Request, response: Response
    ) -> Listed[DatabaseView]:
        """List the databases by name; none of them is asked."""
        found = services.databases.databases()
        within = sorted(filter(caller.reaches_database, found))
        return listed(
            [name for name in within if query.cursor is None or name > query.cursor],
            query.limit,
            mark=lambda name: cursor("databases", name),
            show=lambda name: DatabaseView(name=name, dialect=found[name]),
            request=request,
            answer=response,
        )

    @routes.get("/{name}/tables")
    def list_tables(
        caller: Reader, name: str, query: Annotated[TablesQuery, Query()], request: Request, response: Response
    ) -> Listed[TableView]:
        """List the tables and views that can be read, by schema and name."""
        with services.databases.browse(require_database(caller, name)) as catalog:
            found = catalog.tables(query.schema_name, query.cursor, query.limit + 1)
        return listed(
            found,
            query.limit,
            mark=lambda entry: table_cursor(entry.place),
            show=TableView.of,
            request=request,
            answer=response,
        )

    # A table's name may hold a slash.
    @routes.get("/{name}/tables/{table:path}")
    def get_table(caller: Reader, name: str, table: str) -> TableDetail:
        """Describe a table, named `table` or `schema.table`: columns, indexes, and what a job may do with them."""
        with services.databases.browse(require_database(caller, name)) as catalog:
            return TableDetail.describing(catalog.describe(table))

    return routes
