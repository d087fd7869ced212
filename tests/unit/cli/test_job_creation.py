"""`syncd jobs create` reads a job from options, or says which are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from syncd.cli.job_creation import OPTIONS, app, read
from syncd.errors import Invalid

FIELDS: dict[str, Any] = {
    "source_table": "shop.orders",
    "kb_name": "goods",
    "content_columns": ["product"],
    "filter_column": "updated_at",
    "interval": "10 minutes",
}


def test_options_tell_a_job() -> None:
    [(name, job)] = read(None, "orders", {**FIELDS, "metadata_columns": ["code"], "enabled": False}).items()
    assert name == "orders"
    assert (job.source_table, job.interval, job.enabled) == ("shop.orders", "10 MINUTES", False)
    assert job.metadata_columns == ("code",)


def test_a_file_and_options_exclude_each_other() -> None:
    with pytest.raises(typer.BadParameter, match="either"):
        read(Path("jobs.yaml"), None, FIELDS)
    with pytest.raises(typer.BadParameter, match="give a FILE"):
        read(None, None, {})


@pytest.mark.parametrize("field", FIELDS)
def test_each_option_that_is_missing_is_named(field: str) -> None:
    given = {name: value for name, value in FIELDS.items() if name != field}
    with pytest.raises(typer.BadParameter, match=f"^{OPTIONS[field]} missing$"):
        read(None, "orders", given)
    with pytest.raises(typer.BadParameter, match=f"--name, {OPTIONS[field]} missing"):
        read(None, None, given)


def test_faults_are_told_by_the_names_of_the_options() -> None:
    wrong = {**FIELDS, "source_table": "orders", "interval": "SOMETIMES"}
    with pytest.raises(Invalid) as caught:
        read(None, "no name", wrong)
    assert [fault.where for fault in caught.value.faults] == ["--name", "--table", "--interval"]


def test_every_option_exists() -> None:
    known = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    assert known.issuperset(OPTIONS.values())
