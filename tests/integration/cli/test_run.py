"""`syncd run`: the daemon as a process."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.integration.cli.conftest import CONFIG, Shop, Started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_the_knowledge_base_is_free(
    shop: Shop, daemon_of: Callable[[Shop], Started], number: signal.Signals
) -> None:
    daemon = daemon_of(shop)
    daemon.process.send_signal(number)
    code, _ = daemon.end()
    assert code == 0
    assert shop.json("sync", "orders")["status"] == "completed"


def test_a_second_daemon_is_refused_and_told_who_is_there(shop: Shop, daemon_of: Callable[[Shop], Started]) -> None:
    daemon = daemon_of(shop)
    done = shop.syncd("run")
    assert done.returncode == 3
    assert str(daemon.process.pid) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_faulty_configuration_is_refused_with_2(shop: Shop) -> None:
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace("7 DAYS", "often"))
    done = shop.syncd("run")
    assert done.returncode == 2
    assert done.stderr.startswith("syncd.yaml:15: ")


def test_sighup_and_a_changed_file_read_the_jobs_again(shop: Shop, daemon_of: Callable[[Shop], Started]) -> None:
    daemon = daemon_of(shop)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("read again: 1 jobs")
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace("7 DAYS", "often"))
    daemon.wait_for("the jobs stay as they were")
    shop.configure(CONFIG.format(url="sqlite:///shop.db").replace("7 DAYS", "3 DAYS"))
    daemon.wait_for("read again: 1 jobs")
    assert shop.json("jobs", "show", "orders")["version"] == 2
