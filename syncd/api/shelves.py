"""Databases and knowledge bases as the API tells them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from syncd.api.schemas import Moment, Shown
from syncd.library import Holding
from syncd.model.access import Caller
from syncd.model.catalog import ColumnEntry, IndexEntry, TableDescription, TableEntry, TableKind
from syncd.model.fields import NAME_PATTERN
from syncd.model.generation import GenerationState
from syncd.model.job import Origin
from syncd.model.run import Run
from syncd.rebuild import Begun, Standing

_NAME: dict[str, Any] = {"type": "string", "pattern": NAME_PATTERN}


class DatabaseView(Shown):
    """A database that jobs may read from."""

    name: str
    dialect: str
    """The kind of database, such as `postgresql`."""


class TableView(Shown):
    """A table or view."""

    # Models have a method of the name that this has in JSON.
    schema_name: Annotated[str | None, Field(serialization_alias="schema")]
    """Where it is; null for a database that has no schemas."""
    name: str
    kind: TableKind
    row_estimate: int | None
    """About how many rows it has, by the database's own statistics; null where they do not say."""

    @classmethod
    def of(cls, entry: TableEntry) -> TableView:
        """Show a table."""
        return cls(schema_name=entry.schema, name=entry.name, kind=entry.kind, row_estimate=entry.rows)


class ColumnView(Shown):
    """A column, and what a job may name it for."""

    name: str
    type: str
    """As the database writes it."""
    nullable: bool
    primary_key: int | None
    """Its position in the primary key, from 1; null where it is no part of it."""
    filter_column: bool
    """Whether rows can be read in its order."""
    content: bool
    """Whether it holds what can be embedded."""
    metadata: bool
    """Whether it holds what a search can be narrowed by."""

    @classmethod
    def of(cls, column: ColumnEntry) -> ColumnView:
        """Show a column."""
        return cls(
            name=column.name,
            type=column.type,
            nullable=column.nullable,
            primary_key=column.key,
            filter_column=column.filter,
            content=column.content,
            metadata=column.metadata,
        )


class IndexView(Shown):
    """An index or a unique constraint."""

    name: str | None
    columns: list[str]
    """In order; an expression as it is written."""
    unique: bool

    @classmethod
    def of(cls, index: IndexEntry) -> IndexView:
        """Show an index."""
        return cls(name=index.name, columns=list(index.columns), unique=index.unique)


class TableDetail(TableView):
    """A table with all that a job over it needs to know."""

    columns: list[ColumnView]
    indexes: list[IndexView]
    suggested_filter_columns: list[str]
    """Columns that may tell what is new, the likeliest first."""
    suggested_content_columns: list[str]
    """Columns that may hold text worth searching."""

    @classmethod
    def describing(cls, found: TableDescription) -> TableDetail:
        """Show a table with its columns and indexes."""
        return cls(
            **TableView.of(found.entry).model_dump(),
            columns=[ColumnView.of(column) for column in found.columns],
            indexes=[IndexView.of(index) for index in found.indexes],
            suggested_filter_columns=list(found.filter_columns),
            suggested_content_columns=list(found.content_columns),
        )


class EmbedderView(Shown):
    """What turns texts into vectors."""

    type: str
    model: str | None
    """The model's name; null for a type that has none."""


class KnowledgeBaseView(Shown):
    """A knowledge base, and how it stands."""

    name: str
    type: str
    """The kind of store."""
    origin: Origin
    """Where it is defined: in the configuration file, or through the API."""
    embedder: EmbedderView
    embedding: str | None
    """The fingerprint of what fills it; null while it is not open."""
    chunks: int | None
    """How many chunks it holds; null while it is not open, or does not answer."""
    jobs: list[str]
    """The jobs that fill it and have not ended, as far as the caller may see them."""

    @classmethod
    def of(cls, holding: Holding, caller: Caller) -> KnowledgeBaseView:
        """Show a knowledge base to somebody."""
        config, opened = holding.config, holding.opened
        model = getattr(config.embedder.options, "model", None)
        return cls(
            name=holding.name,
            type=config.store.type,
            origin=config.origin,
            embedder=EmbedderView(type=config.embedder.type, model=None if model is None else str(model)),
            embedding=None if opened is None else opened.embedding,
            chunks=None if opened is None else opened.chunks,
            jobs=[
                job.name
                for job in holding.jobs
                if caller.reaches(job.name, job.definition.database, job.definition.kb_name)
            ],
        )


class GenerationView(Shown):
    """A generation of a knowledge base: all of its documents, by one embedding."""

    id: str
    state: GenerationState
    """`serving`: searches find it; `filling`: runs fill it, and it will serve; `former`: it has served."""
    embedding: str
    """The fingerprint of what fills it."""
    chunks: int | None
    """How many chunks it holds; null while its store does not answer."""
    created_at: Moment | None
    """When it was made; null where it does not say."""
    waits_for: dict[str, str]
    """While it is being filled, what each job that has yet to fill it lacks, as far as the caller may see them."""

    @classmethod
    def of(cls, standing: Standing, visible: Collection[str]) -> GenerationView:
        """Show a generation.

        Args:
            visible: the jobs that may be named.
        """
        known = standing.generation
        return cls(
            id=known.uuid,
            state=known.state,
            embedding=known.embedding,
            chunks=standing.chunks,
            created_at=known.created_at,
            waits_for={job: reason for job, reason in standing.waits_for.items() if job in visible},
        )


class KnowledgeBaseDetail(KnowledgeBaseView):
    """A knowledge base with its generations."""

    generations: list[GenerationView] | None
    """Its generations, the serving one first; null while it is not open, or does not answer."""

    @classmethod
    def with_generations(
        cls, holding: Holding, standings: Sequence[Standing] | None, caller: Caller
    ) -> KnowledgeBaseDetail:
        """Show a knowledge base to somebody, with its generations where they are known."""
        view = KnowledgeBaseView.of(holding, caller)
        shown = None if standings is None else [GenerationView.of(one, view.jobs) for one in standings]
        return cls(**view.model_dump(), generations=shown)


class RebuildRequest(BaseModel):
    """How to fill a new generation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    from_existing: bool = False
    """Keep the vectors of documents whose text and embedding are the same; else everything is embedded again."""


class RebuildView(Shown):
    """A rebuild that goes on."""

    new: bool
    """Whether it began with this request; false when it had begun already."""
    generation: GenerationView
    runs: list[str]
    """The runs that were asked for, of the jobs that have yet to fill it and that the caller may see."""
    left_out: list[str]
    """Jobs that have ended, as far as the caller may see them: their documents will not be in it."""

    @classmethod
    def of(cls, begun: Begun, runs: Sequence[Run], visible: Collection[str]) -> RebuildView:
        """Show a rebuild.

        Args:
            visible: the jobs that may be named.
        """
        return cls(
            new=begun.new,
            generation=GenerationView.of(begun.standing, visible),
            runs=[run.id for run in runs if run.job_name in visible],
            left_out=[job.name for job in begun.left_out if job.name in visible],
        )


class NewKnowledgeBase(BaseModel):
    """A knowledge base to make.

    Its values are read by the rules of the configuration file, so that every fault is told at once.
    """

    model_config = ConfigDict(
        extra="allow",
        use_attribute_docstrings=True,
        json_schema_extra={"additionalProperties": False, "required": ["name"]},
    )

    name: Annotated[Any, WithJsonSchema(_NAME)] = None
    """Its name."""
    like: Annotated[Any, WithJsonSchema({"anyOf": [_NAME, {"type": "null"}]})] = None
    """The knowledge base that it is like: kept beside it or on the same server, and with its embedder and chunking
    where these are not given."""
    embedder: Annotated[Any, WithJsonSchema({"type": ["object", "null"]})] = None
    """The embedder's `type` and options, as in the configuration file. No path and no URL is taken."""
    chunking: Annotated[Any, WithJsonSchema({"type": ["object", "null"]})] = None
    """The chunking's `type` and options, as in the configuration file."""

    def given(self) -> dict[str, object]:
        """Return what was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}
