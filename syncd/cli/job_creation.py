"""`syncd jobs create`: jobs from a file or from options, beside those of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import ConfigOption, JsonOption, example, outer
from syncd.cli.terminal import Terminal
from syncd.model.access import Scope

if TYPE_CHECKING:
    from syncd.model.job import JobDefinition

app = typer.Typer()

REQUIRED = {
    "source_table": "--table",
    "kb_name": "--knowledge-base",
    "content_columns": "--column",
    "filter_column": "--filter-column",
    "interval": "--interval",
}
OPTIONS = {**REQUIRED, "metadata_columns": "--metadata-column", "template": "--template", "enabled": "--disabled"}


@app.command(
    epilog=example(
        "syncd jobs create orders.yaml    # jobs: {sync_orders: {...}}, as in config/jobs/",
        "syncd jobs create --name sync_orders --table shop.orders --knowledge-base orders_kb --column product"
        ' --column description --filter-column updated_at --interval "10 MINUTES"',
    )
)
def create(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="YAML or JSON with one job or more below `jobs`; - for stdin.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the job.")] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="TABLE", help="database.table or database.schema.table.")
    ] = None,
    knowledge_base: Annotated[
        str | None, typer.Option("--knowledge-base", metavar="KB", help="The knowledge base to fill.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="COLUMN", help="Embed its text; may be repeated.")
    ] = None,
    metadata_column: Annotated[
        list[str] | None,
        typer.Option("--metadata-column", metavar="COLUMN", help="Store it beside the text; may be repeated."),
    ] = None,
    filter_column: Annotated[
        str | None,
        typer.Option("--filter-column", metavar="COLUMN", help="What grows when a row is added or changed."),
    ] = None,
    interval: Annotated[str | None, typer.Option("--interval", help='How often, such as "10 MINUTES".')] = None,
    template: Annotated[
        str | None, typer.Option("--template", help='The text to embed, such as "{product}: {description}".')
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Let it not run by itself yet.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Add jobs, from a FILE or from options, without changing the configuration.

    Each job of a file is added by itself. They live in the state, and can be deleted again.

    With --json, prints the list of the jobs that were added. Exits with 2 when one could not be.
    """
    from syncd.cli.desk import desk
    from syncd.cli.failure import exit_code, tell
    from syncd.cli.jobs import as_data

    config, json = outer(context, config, json)
    fields = {
        "source_table": table,
        "kb_name": knowledge_base,
        "content_columns": column,
        "metadata_columns": metadata_column,
        "filter_column": filter_column,
        "interval": interval,
        "template": template,
        "enabled": False if disabled else None,
    }
    wanted = read(file, name, {field: value for field, value in fields.items() if value is not None})
    terminal = Terminal()
    code = 0
    with desk(config, Scope.JOBS_WRITE) as place:
        added = []
        for new, error in zip(wanted, place.hands.create(wanted), strict=True):
            if error is None:
                added.append(place.job(new))
            else:
                tell(error)
                code = exit_code(error)
    if json:
        terminal.data([as_data(job) for job in added])
    for job in () if json else added:
        begins = f"every {job.definition.interval}" if job.definition.enabled else "disabled"
        terminal.say(f"{job.name}: {job.definition.source_table} into {job.definition.kb_name}, {begins}", "green")
    raise typer.Exit(code)


def read(file: Path | None, name: str | None, fields: Mapping[str, Any]) -> Mapping[str, JobDefinition]:
    """Return the jobs of a file, or the one that options tell.

    Args:
        file: `-` for stdin.
        name: of the job that options tell.
        fields: of its definition, without those that were not given.

    Raises:
        BadParameter: neither is given, or both, or an option is missing.
        ConfigError: the file is faulty.
        Invalid: the options are.
    """
    import os

    from syncd.config.load import load_jobs

    if file is not None:
        if name is not None or fields:
            raise typer.BadParameter("give either a FILE or options")
        return load_jobs(Path("/dev/stdin") if str(file) == "-" else file, os.environ)
    if name is None and not fields:
        raise typer.BadParameter("give a FILE, or --name and what the job says")
    missing = ([] if name else ["--name"]) + [option for field, option in REQUIRED.items() if field not in fields]
    if name is None or missing:
        raise typer.BadParameter(f"{', '.join(missing)} missing")
    return {name: _definition(name, fields)}


def _definition(name: str, fields: Mapping[str, Any]) -> JobDefinition:
    from pydantic import ValidationError

    from syncd.api.wording import faults
    from syncd.errors import Fault, Invalid
    from syncd.model.fields import NAME_PATTERN
    from syncd.model.job import JobDefinition

    found = []
    if re.fullmatch(NAME_PATTERN, name) is None:
        found.append(Fault("--name", "a letter or digit first, then letters, digits, _ . and -, at most 128"))
    try:
        definition = JobDefinition.model_validate(fields)
    except ValidationError as error:
        found += [Fault(OPTIONS.get(fault.where, fault.where), fault.message) for fault in faults(error.errors())]
    if found:
        raise Invalid(found)
    return definition
