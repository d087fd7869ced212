"""The installed `syncd` as a process of its own, beside a small shop whose table it syncs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from syncd.cli import main
from tests.prepared import run_syncd

SYNCD = str(Path(sys.executable).with_name("syncd"))
DEADLINE_SECONDS = 90

CONFIG = """\
databases:
  shop: {url}
knowledge_bases:
  goods:
    type: chroma
    path: data/kb
    embedder: {{type: hashing}}
jobs:
  orders:
    source_table: shop.orders
    kb_name: goods
    content_columns: [product]
    metadata_columns: [code, price, stocked]
    filter_column: updated_at
    interval: 7 DAYS
server: {{port: 0}}
"""


@dataclass(frozen=True)
class Shop:
    """A folder with a configuration and a SQLite table `orders`."""

    folder: Path

    def execute(self, statement: str, *rows: tuple[object, ...]) -> None:
        """Run a statement on the shop's database, once for each row of values."""
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            connection.executemany(statement, rows or [()])

    def configure(self, text: str) -> None:
        """Write the configuration."""
        (self.folder / "syncd.yaml").write_text(text)

    def syncd(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return run_syncd(arguments, self.folder, clean_environ(**environ), DEADLINE_SECONDS)

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed, and return the one JSON document that it printed."""
        done = self.syncd(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def started(self, *arguments: str, program: Sequence[str] = (SYNCD,), **environ: str) -> Iterator[Started]:
        """Run a command while the block runs."""
        process = subprocess.Popen(
            [*program, *arguments],
            cwd=self.folder,
            env=clean_environ(**environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Started(process)
        finally:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    process: subprocess.Popen[str]

    def wait_for(self, words: str) -> str:
        """Read log lines up to the first that holds these words, and return it."""
        stream: IO[str] | None = self.process.stderr
        assert stream is not None
        seen = []
        for line in stream:
            seen.append(line)
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}:\n{''.join(seen)}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait until it has ended, and return its exit status and what it printed to stdout."""
        out, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, out


def clean_environ(**more: str) -> dict[str, str]:
    """Return this process's environment without what would change a command's answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}
    return {**kept, "NO_COLOR": "1", **more}


def make_shop(folder: Path, rows: int) -> Shop:
    """Make a shop whose table holds this many rows, one of them without a filter value besides."""
    shop = Shop(folder)
    shop.configure(CONFIG.format(url="sqlite:///shop.db"))
    shop.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT, code TEXT, price REAL, stocked BOOLEAN,"
        " updated_at TIMESTAMP)"
    )
    shop.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)",
        *[
            (
                n,
                f"article number{n} in shade{n % 97}",
                f"{n:03}",
                n / 2,
                n % 2,
                f"2026-01-01 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}",
            )
            for n in range(1, rows + 1)
        ],
        (90_001, "never seen", "x", 1.0, 1, None),
    )
    return shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with 40 orders, not yet synced."""
    return make_shop(tmp_path, 40)


@pytest.fixture
def big_shop(tmp_path: Path) -> Shop:
    """A shop with so many orders that a sync of them takes about ten batches."""
    return make_shop(tmp_path, 2_500)


@pytest.fixture(scope="module")
def synced_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with 40 orders, synced; tests that share it do not change it."""
    shop = make_shop(tmp_path_factory.mktemp("shop"), 40)
    assert shop.syncd("sync", "--all").returncode == 0
    return shop


@pytest.fixture
def daemon_of() -> Iterator[Callable[[Shop], Started]]:
    """Start a shop's daemon, and return it when it is ready."""
    with ExitStack() as stack:

        def start(shop: Shop) -> Started:
            started = stack.enter_context(shop.started("run"))
            started.wait_for("syncd is ready")
            return started

        yield start


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Done]


@pytest.fixture
def call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logging_as_before: None
) -> Iterator[Call]:
    """Run a command in the shop's folder, inside this process: a process of its own would take a second to start."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr("sys.argv", ["syncd", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    monkeypatch.chdir(shop.folder)
    monkeypatch.setenv("NO_COLOR", "1")
    umask = os.umask(0o022)
    yield run
    os.umask(umask)
