"""The examples of the documentation are real: configurations load, command lines parse, statements run."""

from __future__ import annotations

import configparser
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.config.load import load
from syncd.config.settings import Settings
from syncd.errors import PermanentError
from syncd.model.job import JobDefinition
from syncd.model.run import RunOptions
from syncd.plugins import Plugins
from syncd.source.database import SqlOptions
from syncd.source.sql import SqlSource
from tests.docs.commands import parse
from tests.docs.pages import Block, blocks, commands
from tests.world import World

ENVIRON = {"SHOP_PASSWORD": "s", "EMBEDDING_KEY": "k"}
OPERATING = "docs/operating.md"
PLUGINS = "docs/plugins.md"


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if not b.id.startswith(PLUGINS)], ids=lambda b: b.id)
def test_configurations_load(block: Block, tmp_path: Path) -> None:
    """As they stand, with the variables that they name."""
    file = tmp_path / "syncd.yaml"
    file.write_text(block.text)
    assert load(file, ENVIRON, Plugins(offered=()).options_for) != Settings()


@pytest.mark.parametrize("block", blocks("sh"), ids=lambda b: b.id)
def test_command_lines_parse(block: Block) -> None:
    """Every command and every option of syncd exists, and nothing else is typed but what these tests know."""
    for line in commands(block):
        program, _, rest = line.partition(" ")
        if program == "syncd":
            parse(line)
        elif rest.startswith("exec syncd "):
            parse(rest.removeprefix("exec syncd "))
        else:
            assert program in {"make", "curl", "python3"} or block.page.name == "container.md"


def test_the_service_starts_syncd() -> None:
    """The systemd unit calls a command line that exists, and stops it with time to spare."""
    [unit] = blocks("ini")
    read = configparser.ConfigParser()
    read.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case
    read.read_string(unit.text)
    program, _, arguments = read["Service"]["ExecStart"].partition(" ")
    parse(f"{Path(program).name} {arguments}")
    assert int(read["Service"]["TimeoutStopSec"]) >= 20


@pytest.mark.parametrize("block", blocks("dockerfile"), ids=lambda b: b.id)
def test_dockerfiles_are_as_their_linter_wants_them(block: Block, tmp_path: Path) -> None:
    """But for versions, which an example leaves to its reader."""
    (tmp_path / "Dockerfile").write_text(block.text)
    hadolint = [str(Path(sys.executable).with_name("hadolint")), "--ignore=DL3006", "--ignore=DL3013", "Dockerfile"]
    done = subprocess.run(hadolint, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _sql(first_words: str) -> str:
    [found] = [
        block.text for block in blocks("sql", page=OPERATING) if block.text.lstrip("- \n").startswith(first_words)
    ]
    return found


def _statements(sql: str) -> list[str]:
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _warnings(url: sa.URL, table: str) -> tuple[str, ...]:
    """Read the table as a role does, and return what the source complains of; it must be allowed to."""
    definition = {"source_table": table, "kb_name": "k", "content_columns": ["product"], "filter_column": "updated_at"}
    job = JobDefinition.model_validate({**definition, "interval": "DAILY"})
    source = SqlSource(SqlOptions.model_validate({"url": url.render_as_string(hide_password=False)}), job)
    try:
        report = source.report(None)
        assert report.indexed
        return source.begin(None, RunOptions()).warnings
    finally:
        source.close()


TABLE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT, updated_at {})"


def test_the_postgresql_role_can_do_what_it_needs(postgres_url: str) -> None:
    """With the documented grants and index nothing is complained of; without the first grant nothing works."""
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    create, select, stats = _statements(_sql("PostgreSQL"))
    reader = sa.make_url(postgres_url).set(username="reader", password="choose one")
    with engine.connect() as admin:
        admin.exec_driver_sql(TABLE.format("TIMESTAMPTZ"))
        try:
            for statement in [create, *_statements(_sql("CREATE INDEX"))]:
                admin.exec_driver_sql(statement)
            with pytest.raises(PermanentError, match="permission denied"):
                _warnings(reader, "shop.orders")
            admin.exec_driver_sql(select)
            # Another session of another role, so that there is something to see.
            assert any("GRANT pg_read_all_stats" in warning for warning in _warnings(reader, "shop.orders"))
            admin.exec_driver_sql(stats)
            assert _warnings(reader, "shop.orders") == ()
        finally:
            admin.exec_driver_sql("DROP OWNED BY reader")
            admin.exec_driver_sql("DROP ROLE reader")


def test_the_mysql_role_can_do_what_it_needs(mariadb_url: str) -> None:
    """As on PostgreSQL."""
    url = sa.make_url(mariadb_url)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    create, select, process = _statements(_sql("MySQL").replace("shop.", f"{url.database}."))
    reader = url.set(username="reader", password="choose one")
    with engine.connect() as admin:
        admin.exec_driver_sql(TABLE.format("TIMESTAMP NULL"))
        try:
            for statement in [create, *_statements(_sql("CREATE INDEX")), select]:
                admin.exec_driver_sql(statement)
            assert any("GRANT PROCESS" in warning for warning in _warnings(reader, "shop.orders"))
            admin.exec_driver_sql(process)
            assert _warnings(reader, "shop.orders") == ()
        finally:
            admin.exec_driver_sql("DROP USER reader")


def test_a_backup_that_is_made_as_documented_serves_in_the_states_place(tmp_path: Path, sqlite_url: str) -> None:
    """It knows the watermark and the dead letters."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 3)
    world.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id = 2")
    world.sync()
    lines = [line for block in blocks("sh", page=OPERATING) for line in commands(block) if "/backups/" in line]
    for line in lines:
        done = world.run(*shlex.split(line.replace("/backups", str(tmp_path)))[1:])
        assert done.returncode == 0, done.stderr
    for name in ("state.db", "syncd.db", next(tmp_path.glob("state.db.before-restore-*Z")).name):
        with closing(sqlite3.connect(tmp_path / name)) as state:
            assert state.execute("SELECT key, attempts FROM dead_letters").fetchall() == [("2", 1)]
    again = world.sync()
    assert again.counts.embedded == 0


def test_an_older_state_costs_comparisons_and_nothing_else(tmp_path: Path, sqlite_url: str) -> None:
    """Rows that were synced after the backup are read again, and not embedded again."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 50)
    world.sync()
    with closing(sqlite3.connect(tmp_path / "state.db")) as now, closing(sqlite3.connect(tmp_path / "old.db")) as old:
        now.backup(old)
    world.fill(5_000, 5_010)
    world.sync()
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    (tmp_path / "old.db").rename(tmp_path / "state.db")
    again = world.sync()
    assert again.status == "completed"
    assert (again.counts.embedded, again.counts.unchanged) == (0, again.counts.records_read)
    assert again.counts.records_read >= 11
    world.assert_in_step()
