"""What a reader does with README.md and docs/reading.md, done: real databases, the real model, the real daemon."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from syncd.demo.python_docs import Entry
from syncd.demo.table import build
from syncd.embed.model_files import MINILM, model_folder
from tests.docs.pages import ROOT, blocks, commands

SYNCD = str(Path(sys.executable).with_name("syncd"))
GOODS = (
    ("Ginger tea", "Hot and a little sharp: it warms you up on cold winter evenings.", "drinks"),
    ("Down jacket", "For cold evenings at camp; keep it away from rain.", "clothing"),
    ("Water filter", "Takes out bacteria; drink from the stream.", "water"),
    ("Orange juice", "Freshly pressed fruit for breakfast.", "drinks"),
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DOCS = (
    Entry("zipfile", "module", "", "Read and write ZIP files.", "zipfile", MOMENT),
    Entry(
        "zipfile.ZipFile",
        "class",
        "class ZipFile",
        "Class with methods to open, read and list zip files.",
        "zipfile",
        MOMENT,
    ),
    Entry(
        "threading.Timer", "class", "class Timer(Thread)", "Call a function after some seconds.", "threading", MOMENT
    ),
    Entry("math.sqrt", "function", "sqrt(x)", "Return the square root of x.", "math", MOMENT),
)

# Each command is a process of its own, and some of them load the model.
pytestmark = pytest.mark.timeout(600)


def _run(folder: Path, *command: str, **environ: str) -> str:
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "ANONYMIZED_TELEMETRY": "False", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_readmes_table_is_synced_by_the_readmes_commands(tmp_path: Path, postgres_url: str) -> None:
    """Its configuration and its commands do on a PostgreSQL table what their comments say."""
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE orders (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product TEXT, description TEXT,"
            " category TEXT, updated_at TIMESTAMPTZ DEFAULT now())"
        )
        insert = sa.text("INSERT INTO orders (product, description, category) VALUES (:p, :d, :c)")
        connection.execute(insert, [{"p": p, "d": d, "c": c} for p, d, c in GOODS])
    [config] = blocks("yaml", page="README.md")
    text, replaced = re.subn(r"(?m)^  shop: postgresql://.*$", f'  shop: "{postgres_url}"', config.text)
    assert replaced == 1
    (tmp_path / "syncd.yaml").write_text(text)
    lines = [line for block in blocks("sh", page="README.md") for line in commands(block) if line.startswith("syncd")]
    said = {}
    for line in lines:
        words = shlex.split(line)
        if words[1] != "run":
            said[words[1]] = _run(tmp_path, SYNCD, *words[1:])
    assert list(said) == ["check", "sync", "verify", "search", "status"]
    assert "updated_at (timestamp with time zone), not indexed" in said["check"]
    assert "CREATE INDEX" in said["check"]
    assert "4 read, 4 embedded" in said["sync"]
    assert "in step" in said["verify"]
    [first, second] = re.findall(r"product: (.+)", said["search"])
    assert (first, second) == ("Ginger tea", "Orange juice")
    assert "completed" in said["status"]


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example configuration on a small table of its shape, synced with the real model."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(ROOT / "config", folder / "config")
    build(folder / "data" / "demo.db", DOCS, MOMENT)
    with (folder / "config" / "syncd.yaml").open("a") as config:
        config.write("server: {port: 0}\n")
    assert "4 embedded" in _run(folder, SYNCD, "sync", "--all")
    return folder


def test_another_program_reads_the_knowledge_base(documented: Path) -> None:
    """The Python example runs as it stands; its model's name leads to the installed model, for want of a hub."""
    [example] = blocks("python", page="docs/reading.md")
    model = model_folder(MINILM, None)
    assert model is not None
    (documented / MINILM).symlink_to(model.path, target_is_directory=True)
    try:
        printed = _run(documented, sys.executable, "-c", example.text, HF_HUB_OFFLINE="1")
    finally:
        (documented / MINILM).unlink()
    assert printed.splitlines()[0] == "demo.python_docs:2 zipfile name: zipfile.ZipFile"
    assert "demo.python_docs:3 threading" in printed
    assert "math" not in printed


def test_the_documented_metadata_is_what_is_there(documented: Path) -> None:
    """Ids, fields and marks are as the table in docs/reading.md says."""
    script = (
        "import chromadb, json\n"
        "c = chromadb.PersistentClient('data/kb').get_collection('python_docs', embedding_function=None)\n"
        "print(json.dumps(c.get(ids=['demo.python_docs:2#0'])))\n"
    )
    held = json.loads(_run(documented, sys.executable, "-c", script))
    [metadata] = held["metadatas"]
    mark = metadata.pop("syncd_mark").split(":")
    assert metadata == {"kind": "class", "module": "zipfile", "updated_at": "2026-01-01 00:00:00"}
    assert (mark[0], len(mark[1]), len(mark[2]), mark[3]) == ("1", 32, 32, "1")


@pytest.fixture(scope="module")
def daemon(documented: Path) -> Iterator[str]:
    """The address of a daemon on the example configuration."""
    process = subprocess.Popen([SYNCD, "run"], cwd=documented, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "syncd is ready" in line)
        yield json.loads(ready)["message"].rpartition(" ")[2]
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=60)
        assert process.returncode == 0, rest


@pytest.mark.parametrize("page", ["docs/reading.md", "docs/operating.md"])
def test_the_requests_are_answered(daemon: str, page: str) -> None:
    """Each curl example gets an answer from the daemon, with what the page says."""
    requests = [line for block in blocks("sh", page=page) for line in commands(block) if line.startswith("curl")]
    assert requests
    for line in requests:
        words = shlex.split(line)
        headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
        body = next((words[at + 1] for at, word in enumerate(words) if word == "-d"), None)
        [url] = [word.replace("http://127.0.0.1:8000", daemon) for word in words if word.startswith("http")]
        answer = httpx.request(
            "GET" if body is None else "POST", url, headers=headers, content=body, timeout=90, trust_env=False
        )
        assert answer.status_code == 200, answer.text
        if body is not None:
            assert answer.json()["data"][0]["id"] == "demo.python_docs:2#0"
            assert {match["metadata"]["kind"] for match in answer.json()["data"]} == {"class"}


def test_commands_work_beside_the_daemon(daemon: str, documented: Path) -> None:
    """A search and a sync go through the daemon, which owns the knowledge base."""
    assert daemon
    found = json.loads(_run(documented, SYNCD, "search", "python_docs", "open a zip archive", "-k", "1", "--json"))
    assert found[0]["metadata"]["module"] == "zipfile"
    assert "0 embedded" in _run(documented, SYNCD, "sync", "sync_python_docs")
