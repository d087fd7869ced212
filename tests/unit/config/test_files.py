"""Which files make up a configuration, and how they are put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.config.load import find, load, load_jobs
from syncd.config.settings import Limits, Server, Settings
from syncd.errors import ConfigError

Faults = Callable[..., list[str]]
Load = Callable[..., Settings]


def test_a_valid_file_gives_settings(settings_of: Load, valid: str) -> None:
    """Every section arrives, with parts as kind, type and options."""
    settings = settings_of(valid + "server: {port: 9000}\nlimits: {keep_runs: 5}\nstate: postgresql://u:pw@h/d\n")
    assert settings.server == Server(port=9000)
    assert settings.limits == Limits(keep_runs=5)
    assert settings.state.get_secret_value() == "postgresql://u:pw@h/d"
    database = settings.databases["shop"]
    assert (database.kind, database.type) == ("source", "sql")
    assert database.options.model_dump()["url"].get_secret_value() == "sqlite:///shop.db"
    goods = settings.knowledge_bases["goods"]
    assert [goods.store.type, goods.embedder.type, goods.chunking.type] == ["folder", "hashing", "text"]
    assert goods.store.options.model_dump()["path"] == Path("data/kb")
    assert settings.jobs["orders"].interval == "10 MINUTES"


def test_a_file_of_comments_gives_the_defaults(settings_of: Load) -> None:
    """Nothing has to be configured, and sections may be left without entries."""
    assert settings_of("# nothing yet\n") == Settings()
    assert settings_of("databases:\nknowledge_bases:\njobs:\nserver:\nlimits:\nstate:\n") == Settings()


def test_a_database_is_a_url_or_a_mapping(settings_of: Load, valid: str) -> None:
    """Both forms mean the same."""
    long = valid.replace("sqlite:///shop.db", "{type: sql, url: 'sqlite:///shop.db'}")
    assert settings_of(long) == settings_of(valid)


def test_an_end_time_in_the_past_is_no_fault(settings_of: Load, valid: str) -> None:
    """A job in a file may have ended; it stays readable."""
    assert settings_of(valid + "    end_time: 1999-01-01\n").jobs["orders"].end_time is not None


def test_jobs_of_the_folder_beside_the_file_are_merged(settings_of: Load, valid: str, tmp_path: Path) -> None:
    """A folder and the file in it are the same configuration; hidden files are not read."""
    head, _, job = valid.partition("  orders:\n")
    settings = settings_of(
        head.replace("jobs:\n", ""), **{"jobs/a.yaml": f"jobs:\n  orders:\n{job}", "jobs/.b.yaml": "jobs: 5"}
    )
    assert list(settings.jobs) == ["orders"]


def test_faults_of_a_jobs_file_name_that_file(faults_of: Faults, valid: str) -> None:
    """File and line are those of the file in which the mistake is."""
    job = valid.partition("  orders:\n")[2].replace("goods", "god")
    assert faults_of(valid, **{"jobs/more.yaml": f"# more\njobs:\n  more:\n{job}"}) == [
        'jobs/more.yaml:5: there is no knowledge base "god" in knowledge_bases: did you mean goods?'
    ]


def test_a_job_name_in_two_files_names_both_places(faults_of: Faults, valid: str) -> None:
    """Neither definition wins silently."""
    job = valid.partition("  orders:\n")[2]
    assert faults_of(valid, **{"jobs/a.yaml": f"jobs:\n  orders:\n{job}"}) == [
        'jobs/a.yaml:2: "orders" is also in syncd.yaml:9: rename or remove one'
    ]


def test_a_jobs_file_holds_only_jobs(faults_of: Faults, valid: str) -> None:
    """Other keys belong in the main file, and a jobs key that is no mapping is told where it stands."""
    assert faults_of(valid, **{"jobs/a.yaml": "server: {port: 1}\n"}) == [
        'jobs/a.yaml:1: "server" belongs in syncd.yaml: a file in jobs/ holds only jobs'
    ]
    assert faults_of(valid, **{"jobs/a.yaml": "\njobs: [a]\n"}) == [
        "jobs/a.yaml:2: jobs must be a mapping of keys to values: names, each with what it stands for"
    ]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """Neither a missing path nor a folder without syncd.yaml is an empty configuration."""
    for path, said in ((tmp_path / "none.yaml", "does not exist"), (tmp_path, "holds no syncd.yaml")):
        with pytest.raises(ConfigError, match=f"{said}; write one with `syncd init`"):
            load(path, {}, lambda _kind, _type: Server)


def test_a_file_that_cannot_be_read_is_told(faults_of: Faults, valid: str, tmp_path: Path) -> None:
    """A folder in the place of a file is a fault, not a crash."""
    (tmp_path / "jobs" / "a.yaml").mkdir(parents=True)
    assert faults_of(valid) == ["jobs/a.yaml: cannot be read: Is a directory"]


def test_the_configuration_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given path, then SYNCD_CONFIG, then ./config, then ./syncd.yaml; else a fault that says all of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    if not Path("/etc/syncd/syncd.yaml").exists():
        with pytest.raises(ConfigError, match=r"no config/syncd.yaml, no syncd.yaml and no /etc/syncd/syncd.yaml"):
            find(None, {})
    (tmp_path / "syncd.yaml").write_text("# here")
    assert find(None, {}) == Path("syncd.yaml")
    (tmp_path / "config" / "syncd.yaml").write_text("# here")
    assert find(None, {}) == Path("config")
    assert find(None, {"SYNCD_CONFIG": "/elsewhere"}) == Path("/elsewhere")
    assert find(Path("given"), {"SYNCD_CONFIG": "/elsewhere"}) == Path("given")


ORDERS = "{source_table: shop.orders, kb_name: goods, content_columns: [product], filter_column: at, interval: DAILY}"


def test_a_file_of_jobs_is_read_by_itself(tmp_path: Path) -> None:
    """Variables stand for their values, and JSON is YAML too."""
    file = tmp_path / "jobs.yaml"
    variable = ORDERS.replace("DAILY", "'${EVERY}'")
    file.write_text(f"jobs:\n  a: {ORDERS}\n  b: {variable}\n")
    assert {name: job.interval for name, job in load_jobs(file, {"EVERY": "2 hours"}).items()} == {
        "a": "DAILY",
        "b": "2 HOURS",
    }
    file.write_text(json.dumps({"jobs": {"c": load_jobs(file, {"EVERY": "1 DAY"})["a"].model_dump(mode="json")}}))
    assert list(load_jobs(file, {})) == ["c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# none\n", "holds no job"),
        ("jobs:\n", "holds no job"),
        ("jobs: [a]\n", "must be a mapping"),
        ("databases: {}\n", "a file in jobs/ holds only jobs"),
        (f"jobs:\n  a: {ORDERS.replace('DAILY', 'SOMETIMES')}\n", "interval"),
        (f"jobs:\n  a b: {ORDERS}\n", "is no name"),
        ("jobs: {", "jobs.yaml:"),
    ],
)
def test_a_file_of_jobs_tells_its_faults_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    """As a configuration does."""
    file = tmp_path / "jobs.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_jobs(file, {})
    assert message in str(caught.value)
    assert all(fault.where.startswith(str(file)) for fault in caught.value.faults)
