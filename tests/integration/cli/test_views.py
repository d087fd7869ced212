"""`syncd status`, `jobs` and `runs`: what is defined, how it stands, what has run."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.integration.cli.conftest import CONFIG, Shop

RUN_FIELDS = [
    "run_id",
    "job",
    "job_version",
    "status",
    "trigger",
    "attempt",
    "created_at",
    "scheduled_at",
    "started_at",
    "finished_at",
    "seconds",
    "progress",
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
    "stages",
    "error",
]


def test_before_anything_ran_every_view_answers_and_makes_no_file(shop: Shop) -> None:
    [status] = shop.json("status")
    assert (status["status"], status["last_run"], status["watermark"], status["rows_behind"]) == (
        "scheduled",
        None,
        None,
        None,
    )
    assert shop.json("runs") == []
    [job] = shop.json("jobs")
    assert (job["job"], job["version"]) == ("orders", 0)
    assert not (shop.folder / "data").exists()


def test_status_tells_last_run_next_run_watermark_and_rows_behind(shop: Shop) -> None:
    shop.json("sync", "orders")
    shop.execute("INSERT INTO orders VALUES (?, 'new', 'n', 1, 1, '2026-02-02 00:00:00')", (101,), (102,))
    [status] = shop.json("status")
    assert list(status) == [
        "job",
        "status",
        "source_table",
        "kb_name",
        "live_run",
        "last_run",
        "next_run",
        "watermark",
        "rows_behind",
        "rows_behind_unknown",
        "dead_letters",
        "blocked_reason",
    ]
    assert (status["status"], status["live_run"], status["dead_letters"]) == ("scheduled", None, 0)
    assert list(status["last_run"]) == RUN_FIELDS
    assert status["last_run"]["status"] == "completed"
    assert datetime.fromisoformat(status["next_run"]) > datetime.now(UTC)
    assert status["watermark"] == "2026-01-01 00:00:40"
    assert status["rows_behind"] == 2
    assert shop.json("sync", "orders")["embedded"] == 2
    assert shop.json("status")[0]["rows_behind"] == 0


def test_status_for_people_shows_a_question_mark_and_why_when_a_table_cannot_be_asked(shop: Shop) -> None:
    shop.json("sync", "orders")
    (shop.folder / "shop.db").unlink()
    done = shop.syncd("status")
    assert done.returncode == 0
    _, row, reason = done.stdout.splitlines()
    assert row.split()[0] == "orders"
    assert row.split()[-1] == "?"
    assert "there is no file shop.db" in reason


def test_a_job_that_failed_for_good_is_shown_as_blocked_with_the_reason(shop: Shop) -> None:
    shop.execute("ALTER TABLE orders RENAME COLUMN product TO item")
    assert shop.syncd("sync", "orders").returncode == 1
    [status] = shop.json("status")
    assert status["status"] == "blocked"
    assert "product" in status["blocked_reason"]
    assert "is blocked: " in shop.syncd("status").stdout


def test_runs_are_listed_newest_first_and_can_be_narrowed(shop: Shop) -> None:
    shop.json("sync", "orders")
    shop.execute("ALTER TABLE orders RENAME COLUMN product TO item")
    shop.syncd("sync", "orders")
    runs = shop.json("runs")
    assert [list(run) for run in runs] == [RUN_FIELDS, RUN_FIELDS]
    assert [(run["run_id"], run["status"], run["trigger"]) for run in runs] == [
        ("run_2", "failed", "manual"),
        ("run_1", "completed", "manual"),
    ]
    assert [run["run_id"] for run in shop.json("runs", "--status", "completed")] == ["run_1"]
    assert [run["run_id"] for run in shop.json("runs", "--job", "orders", "--limit", "1")] == ["run_2"]


def test_a_status_or_job_that_does_not_exist_is_your_input(synced_shop: Shop) -> None:
    wrong = synced_shop.syncd("runs", "--status", "done")
    assert wrong.returncode == 2
    assert "completed_with_warnings" in wrong.stderr
    assert synced_shop.syncd("runs", "--job", "ordres").returncode == 2
    assert synced_shop.syncd("jobs", "show", "ordres").returncode == 2


def test_jobs_show_the_definition_that_is_in_force_with_its_version(shop: Shop) -> None:
    shop.json("sync", "orders")
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace("7 DAYS", "1 HOUR"))
    assert shop.json("sync", "orders")["status"] == "completed"
    job = shop.json("jobs", "show", "orders")
    assert (job["job"], job["origin"], job["version"]) == ("orders", "file", 2)
    assert job["definition"]["interval"] == "1 HOUR"
    assert job["definition"]["window_rows"] == 20_000
    shown = shop.syncd("jobs", "show", "orders").stdout
    assert "interval           1 HOUR" in shown


def test_options_before_show_count_as_well(shop: Shop) -> None:
    done = shop.syncd("jobs", "--config", "elsewhere.yaml", "show", "orders")
    assert done.returncode == 2
    assert "elsewhere.yaml" in done.stderr


def test_a_job_that_left_the_configuration_is_listed_no_more(shop: Shop) -> None:
    shop.json("sync", "orders")
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace("  orders:", "  renamed:"))
    assert [job["job"] for job in shop.json("jobs")] == ["renamed"]
    assert [status["job"] for status in shop.json("status")] == ["renamed"]
