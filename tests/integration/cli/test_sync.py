"""`syncd sync`, alone and beside others."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable

import sqlalchemy as sa

from syncd.knowledge.chroma.lock import FolderLock
from tests.integration.cli.conftest import CONFIG, SYNCD, Shop, Started, clean_environ

FIELDS = [
    "job",
    "run_id",
    "status",
    "records_read",
    "embedded",
    "recalled",
    "inserted",
    "metadata_updated",
    "unchanged",
    "deleted",
    "dead_lettered",
    "chunks",
    "truncated_tokens",
    "swept",
    "repaired",
    "watermark",
    "seconds",
    "stages",
    "error",
]


def test_one_job_prints_one_object_with_exactly_the_documented_fields(shop: Shop) -> None:
    first = shop.json("sync", "orders")
    assert list(first) == FIELDS
    assert first["job"] == "orders"
    assert first["run_id"] == "run_1"
    assert first["status"] == "completed"
    assert (first["records_read"], first["embedded"], first["chunks"]) == (40, 40, 40)
    assert first["watermark"] == "2026-01-01 00:00:40"
    assert first["seconds"] > 0
    assert {"read", "embed", "write", "commit"} <= set(first["stages"])
    assert first["error"] is None


def test_a_second_run_embeds_nothing_and_a_changed_row_is_embedded_alone(shop: Shop) -> None:
    assert shop.json("sync", "orders")["embedded"] == 40
    assert shop.json("sync", "orders")["embedded"] == 0
    shop.execute("UPDATE orders SET product = 'a red kite', updated_at = '2026-01-02 00:00:00' WHERE id = 7")
    third = shop.json("sync", "orders", "--full")
    assert (third["records_read"], third["embedded"], third["unchanged"]) == (40, 1, 39)


def test_all_prints_a_list_and_limit_reads_no_more_rows(shop: Shop) -> None:
    [run] = shop.json("sync", "--all", "--limit", "15")
    assert (run["records_read"], run["embedded"]) == (15, 15)
    [run] = shop.json("sync", "--all")
    assert run["embedded"] == 25


def test_people_read_a_line_for_each_run_and_logs_go_to_stderr(shop: Shop) -> None:
    done = shop.syncd("sync", "orders")
    assert done.returncode == 0
    assert re.fullmatch(
        r"orders: completed in [\d.]+ s: 40 read, 40 embedded, 0 unchanged, [\d,]+ rows/s\n", done.stdout
    )
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"job": "orders", "run": "run_1"}.items() <= logged[-1].items()


def test_a_terminal_shows_progress_with_rate_and_counts(shop: Shop) -> None:
    parent, child = pty.openpty()
    environ = clean_environ(COLUMNS="140", TERM="xterm")
    environ.pop("NO_COLOR")
    process = subprocess.Popen([SYNCD, "sync", "orders"], cwd=shop.folder, env=environ, stdout=child, stderr=child)
    os.close(child)
    shown = _read_all(parent)
    assert process.wait() == 0
    assert "40/40" in shown
    assert "40 embedded, 0 unchanged" in shown
    assert "completed in" in shown
    assert '"level"' not in shown


def test_nobody_else_may_read_what_it_writes(shop: Shop) -> None:
    shop.json("sync", "orders")
    made = list((shop.folder / "data").rglob("*"))
    assert len(made) > 3
    assert not [path for path in made if path.stat().st_mode & 0o077]


def test_no_job_and_no_all_is_wrong_usage(shop: Shop) -> None:
    done = shop.syncd("sync")
    assert done.returncode == 2
    assert "--all" in done.stderr
    assert shop.syncd("sync", "orders", "--all").returncode == 2


def test_a_job_that_does_not_exist_stops_everything_before_it_begins(shop: Shop) -> None:
    done = shop.syncd("sync", "orders", "ordres", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no job 'ordres'" in done.stderr
    assert "did you mean orders?" in done.stderr
    assert shop.json("runs") == []


def test_a_failed_run_exits_with_1_and_is_still_printed(shop: Shop) -> None:
    shop.execute("ALTER TABLE orders RENAME COLUMN product TO item")
    done = shop.syncd("sync", "orders", "--json")
    assert done.returncode == 1
    run = json.loads(done.stdout)
    assert run["status"] == "failed"
    assert "product" in run["error"]


def test_rows_in_the_dead_letters_exit_with_1_while_the_rest_lands(shop: Shop) -> None:
    shop.configure(
        CONFIG.format(url="sqlite:///shop.db").replace("filter_column", "key_columns: [code]\n    filter_column")
    )
    shop.execute("UPDATE orders SET code = '007' WHERE id = 8")
    done = shop.syncd("sync", "orders", "--json")
    run = json.loads(done.stdout)
    assert done.returncode == 1
    assert (run["status"], run["embedded"], run["dead_lettered"]) == ("completed_with_warnings", 39, 1)
    assert "dead letters" in shop.syncd("sync", "orders", "--full").stderr
    assert "1 rows wait" in shop.syncd("status").stdout


def test_a_faulty_configuration_exits_with_2_and_lists_every_fault_with_its_line(shop: Shop) -> None:
    text = CONFIG.format(url="sqlite:///shop.db")
    shop.configure(text.replace("7 DAYS", "often").replace("port: 0", "prot: 0"))
    done = shop.syncd("sync", "--all", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["syncd.yaml:15", "syncd.yaml:16"]
    assert "'often' is not an interval" in lines[0]
    assert "did you mean port?" in lines[1]


def test_a_state_that_cannot_be_opened_exits_with_3(shop: Shop) -> None:
    shop.configure("state: postgresql://nobody@127.0.0.1:1/none\n" + CONFIG.format(url="sqlite:///shop.db"))
    done = shop.syncd("sync", "orders")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_at_a_batch_and_the_next_run_goes_on(big_shop: Shop) -> None:
    with big_shop.started("sync", "orders", "--json") as started:
        started.wait_for("run started")
        started.interrupt()
        started.wait_for("stopping at the end of this batch")
        code, out = started.end()
    run = json.loads(out)
    assert code == 1
    assert run["status"] == "canceled"
    assert "interrupted" in run["error"]
    assert run["embedded"] < 2_500
    again = big_shop.json("sync", "orders")
    assert again["status"] == "completed"
    assert again["embedded"] + run["embedded"] == 2_500


def test_a_second_ctrl_c_exits_at_once_and_loses_nothing(big_shop: Shop) -> None:
    with big_shop.started("sync", "orders") as started:
        started.wait_for("run started")
        started.interrupt()
        started.wait_for("Ctrl-C again")
        started.interrupt()
        code, _ = started.end()
    # It may have reached its batch boundary before the second signal arrived.
    assert code in {130, 1}
    assert big_shop.json("sync", "orders")["status"] == "completed"
    assert big_shop.json("sync", "orders", "--full")["unchanged"] == 2_500


def test_beside_a_daemon_the_daemon_runs_it_and_its_counts_are_shown(
    shop: Shop, daemon_of: Callable[[Shop], Started]
) -> None:
    daemon = daemon_of(shop)
    daemon.wait_for("run completed")
    shop.execute("UPDATE orders SET product = 'a red kite' WHERE id = 7")
    run = shop.json("sync", "orders", "--full")
    assert list(run) == FIELDS
    assert (run["records_read"], run["embedded"], run["unchanged"]) == (40, 1, 39)
    assert run["run_id"] in daemon.wait_for("run completed")


def test_a_job_that_was_just_added_is_run_by_a_daemon_that_has_yet_to_read_it(
    shop: Shop, daemon_of: Callable[[Shop], Started]
) -> None:
    daemon_of(shop).wait_for("run completed")
    shop.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    shop.execute("INSERT INTO notes VALUES (1, 'buy milk')")
    job = "  notes: {source_table: shop.notes, kb_name: goods, content_columns: [text], filter_column: id, interval: DAILY}\n"
    text = CONFIG.format(url="sqlite:///shop.db")
    shop.configure(text.replace("server:", f"{job}server:"))
    assert shop.json("sync", "notes")["status"] == "completed"
    assert shop.json("search", "goods", "buy milk", "-k", "1")[0]["text"] == "text: buy milk"


def test_another_command_that_owns_the_knowledge_base_is_named_and_no_run_is_queued(shop: Shop) -> None:
    (shop.folder / "data").mkdir()
    lock = FolderLock(shop.folder / "data/kb", {"pid": "4711", "role": "syncd sync", "since": "today"})
    try:
        done = shop.syncd("sync", "orders")
    finally:
        lock.release()
    assert done.returncode == 3
    assert "4711" in done.stderr
    assert "syncd sync" in done.stderr
    assert shop.json("runs") == []


def test_a_crashed_run_is_found_and_the_next_one_takes_over(big_shop: Shop) -> None:
    with big_shop.started("sync", "orders", SYNCD_FAILPOINT="written:3") as started:
        code, _ = started.end()
    assert code == -9
    run = big_shop.json("sync", "orders")
    assert (run["status"], run["embedded"] + run["unchanged"]) == ("completed", 2_500)
    assert [entry["status"] for entry in big_shop.json("runs")] == ["completed", "crashed"]


def test_postgresql_is_synced_too(shop: Shop, postgres_url: str) -> None:
    engine = sa.create_engine(sa.make_url(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, product TEXT, code TEXT, price NUMERIC, stocked BOOLEAN,"
            " updated_at TIMESTAMPTZ)"
        )
        connection.exec_driver_sql(
            "INSERT INTO orders SELECT n, 'article ' || n, n::text, n, true, now() - interval '1 day'"
            " FROM generate_series(1, 300) n"
        )
    engine.dispose()
    shop.configure(CONFIG.format(url=json.dumps(postgres_url)))
    assert shop.json("sync", "orders")["embedded"] == 300
    assert shop.json("sync", "orders")["embedded"] == 0


def _read_all(descriptor: int) -> str:
    found = b""
    try:
        while chunk := os.read(descriptor, 65_536):
            found += chunk
    except OSError:
        pass  # a terminal whose last process has ended is an error to read
    finally:
        os.close(descriptor)
    return found.decode()
