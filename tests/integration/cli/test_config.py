"""`syncd config` and `syncd init`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import jsonschema
import pytest

from syncd.config.load import load
from syncd.plugins import Plugins
from tests.integration.cli.conftest import CONFIG, Shop

SECRET = "hush-hush"


def test_schema_prints_a_valid_json_schema_that_accepts_the_configuration(shop: Shop) -> None:
    schema = json.loads(shop.syncd("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"state", "databases", "knowledge_bases", "jobs", "server", "limits"} <= set(schema["properties"])
    jsonschema.validate(shop.json("config", "show"), schema)


def test_path_prints_the_file_and_follows_option_and_variable(shop: Shop) -> None:
    assert shop.syncd("config", "path").stdout == "syncd.yaml\n"
    folder = shop.folder / "etc"
    folder.mkdir()
    (shop.folder / "syncd.yaml").rename(folder / "syncd.yaml")
    assert shop.syncd("config", "path", "--config", "etc").stdout == "etc/syncd.yaml\n"
    assert shop.syncd("config", "path", SYNCD_CONFIG="etc/syncd.yaml").stdout == "etc/syncd.yaml\n"
    none = shop.syncd("config", "path")
    assert none.returncode == 2
    assert "syncd init" in none.stderr


def test_show_fills_in_defaults_and_variables_and_hides_every_secret(shop: Shop) -> None:
    shop.configure(
        "state: postgresql://syncd:hush-hush@db/state\nlimits: {keep_runs: '${KEEP:-8123}'}\n"
        + CONFIG.format(url="postgresql://reader:${PASSWORD}@${HOST}/crm")
    )
    environ = {"PASSWORD": SECRET, "HOST": "db.example.org"}
    for arguments in (("config", "show"), ("config", "show", "--json")):
        done = shop.syncd(*arguments, **environ)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout
        assert "postgresql://reader:***@db.example.org/crm" in done.stdout
        assert "8123" in done.stdout
        assert "max_concurrency" in done.stdout


def test_init_writes_a_configuration_that_loads_and_names_what_was_given(tmp_path: Path) -> None:
    done = Shop(tmp_path).syncd(
        "init",
        "--database-url", "postgresql://reader@127.0.0.1:1/shop",
        "--table", "public.orders",
        "--filter-column", "changed",
        "--content", "title",
        "--content", "body text",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left for you to fill in" in done.stderr
    settings = load(tmp_path / "config", {}, Plugins().options_for)
    job = settings.jobs["sync_orders"]
    assert (job.source_table, job.filter_column, job.content_columns) == (
        "source.public.orders",
        "changed",
        ("title", "body text"),
    )
    file = tmp_path / "config/syncd.yaml"
    assert "<- change this" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    jsonschema.Draft202012Validator.check_schema(json.loads((tmp_path / "config/syncd.schema.json").read_text()))


def test_init_without_anything_marks_what_must_be_changed(tmp_path: Path) -> None:
    assert Shop(tmp_path).syncd("init").returncode == 0
    text = (tmp_path / "config/syncd.yaml").read_text()
    assert text.count("<- change this") == 3
    load(tmp_path / "config", {"DATABASE_PASSWORD": SECRET}, Plugins().options_for)


def test_init_suggests_columns_of_a_table_that_answers_and_the_result_syncs(shop: Shop) -> None:
    (shop.folder / "syncd.yaml").unlink()
    done = shop.syncd("init", "--database-url", "sqlite:///shop.db", "--table", "orders")
    assert done.returncode == 0, done.stderr
    assert "filter_column: guessed updated_at" in done.stdout
    file = shop.folder / "config/syncd.yaml"
    file.write_text(
        file.read_text().replace("sentence-transformers", "hashing").replace("      model:", "      # model:")
    )
    [job] = shop.json("check")["jobs"]
    assert job["source"]["rows_ahead"] == 40
    assert shop.json("sync", "sync_orders")["embedded"] == 40


def test_init_keeps_a_password_out_of_the_file(tmp_path: Path) -> None:
    done = Shop(tmp_path).syncd("init", "--database-url", f"postgresql://reader:{SECRET}@127.0.0.1:1/shop")
    assert "DATABASE_PASSWORD" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert SECRET not in (tmp_path / "config/syncd.yaml").read_text()
    settings = load(tmp_path / "config", {"DATABASE_PASSWORD": SECRET}, Plugins().options_for)
    assert SECRET in settings.databases["source"].options.url.get_secret_value()  # type: ignore[attr-defined]


def test_init_names_the_tables_when_none_was_given_or_the_given_one_is_missing(shop: Shop) -> None:
    wrong = shop.syncd("init", "--database-url", "sqlite:///shop.db", "--table", "ordres")
    assert wrong.returncode == 2
    assert "orders" in wrong.stderr
    assert not (shop.folder / "config").exists()
    assert "tables in this database: orders" in shop.syncd("init", "--database-url", "sqlite:///shop.db").stdout


@pytest.mark.parametrize("existing", ["config/syncd.yaml"])
def test_init_overwrites_nothing(tmp_path: Path, existing: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / existing).write_text("mine")
    done = Shop(tmp_path).syncd("init")
    assert done.returncode == 2
    assert (tmp_path / existing).read_text() == "mine"
