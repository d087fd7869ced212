"""Log lines can be read, cannot be forged, and carry the job and the run that they belong to."""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import warnings
from io import StringIO
from logging.handlers import BufferingHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.telemetry import bound, setup_logging

PASSWORD = "hunter2-canary"
LINE = re.compile(r"\d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
log = logging.getLogger("syncd.somewhere")


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("logging_as_before")


def fail(error: Exception) -> None:
    """Raise the error."""
    raise error


def objects(stream: StringIO) -> list[dict[str, Any]]:
    """Return the JSON object of each line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_names_time_level_logger_message_job_and_run() -> None:
    stream = StringIO()
    setup_logging(stream)
    with bound("orders", "run_7"):
        log.warning("%s rows were read", 12)
    [line] = objects(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "warning",
        "logger": "syncd.somewhere",
        "message": "12 rows were read",
        "job": "orders",
        "run": "run_7",
    }


def test_a_terminal_gets_a_short_time_the_level_the_message_and_then_job_and_run() -> None:
    stream = Terminal()
    setup_logging(stream)
    log.info("syncd is ready")
    with bound("orders", "run_7"):
        log.error("the table is gone")
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    syncd is ready", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR   the table is gone  job=orders  run=run_7", second)


def test_the_form_can_be_chosen_whatever_the_stream_is() -> None:
    plain, terminal = StringIO(), Terminal()
    setup_logging(plain, json=False)
    log.info("for people")
    setup_logging(terminal, json=True)
    log.info("for machines")
    assert LINE.match(plain.getvalue())
    assert [line["message"] for line in objects(terminal)] == ["for machines"]


def test_setting_up_again_replaces_the_stream_and_the_level() -> None:
    first, second = StringIO(), StringIO()
    setup_logging(first, level="DEBUG")
    log.debug("one")
    setup_logging(second, level="WARNING")
    log.info("two")
    log.warning("three")
    assert [line["message"] for line in objects(first)] == ["one"]
    assert [line["message"] for line in objects(second)] == ["three"]


def test_lines_of_libraries_carry_job_and_run_too() -> None:
    stream = StringIO()
    setup_logging(stream)
    with bound("orders", "run_7"):
        logging.getLogger("sqlalchemy.pool").warning("a connection was lost")
        with bound("people", "run_8"):
            log.info("inner")
        log.info("outer again")
    log.info("outside")
    assert [(line.get("job"), line.get("run")) for line in objects(stream)] == [
        ("orders", "run_7"),
        ("people", "run_8"),
        ("orders", "run_7"),
        (None, None),
    ]


def test_a_binding_ends_with_an_error_too() -> None:
    stream = StringIO()
    setup_logging(stream)
    with pytest.raises(ValueError, match="x"), bound("orders", "run_7"):
        raise ValueError("x")
    log.info("after")
    assert "job" not in objects(stream)[0]


def test_threads_have_bindings_of_their_own_and_can_be_given_the_starter_s() -> None:
    stream = StringIO()
    setup_logging(stream)
    with bound("orders", "run_7"):
        threads = [
            threading.Thread(target=log.info, args=("own",)),
            threading.Thread(target=contextvars.copy_context().run, args=(log.info, "given")),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert [line.get("job") for line in objects(stream)] == [None, "orders"]


def test_libraries_that_talk_much_are_heard_from_warnings_on() -> None:
    stream = StringIO()
    setup_logging(stream, level=logging.DEBUG)
    noisy = (
        "httpx",
        "chromadb.telemetry",
        "apscheduler.executors.default",
        "sentence_transformers.SentenceTransformer",
    )
    for name in (*noisy, "alembic.runtime.migration", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    assert {line["message"] for line in objects(stream)} == {"trouble"}
    setup_logging(stream := StringIO(), level=logging.ERROR)
    logging.getLogger("httpx").warning("trouble")
    assert stream.getvalue() == ""


def test_python_s_warnings_become_lines() -> None:
    stream = StringIO()
    setup_logging(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("this will go away", DeprecationWarning, stacklevel=1)
    assert "this will go away" in objects(stream)[0]["message"]


@given(data=st.text(), name=st.text())
def test_json_stays_one_line_of_ascii_whatever_the_data_is(data: str, name: str) -> None:
    stream = StringIO()
    setup_logging(stream, json=True)
    with bound(name, "run_1"):
        try:
            fail(ValueError(data))
        except ValueError:
            log.exception("failed: %s", data)
    text = stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    [line] = objects(stream)
    assert line["level"] == "error"


@given(data=st.text(), name=st.text())
def test_a_terminal_shows_no_control_character_and_no_line_that_data_began(data: str, name: str) -> None:
    stream = Terminal()
    setup_logging(stream, json=False)
    with bound(name, "run_1"):
        try:
            fail(ValueError(data))
        except ValueError:
            log.exception("failed: %s", data)
    first, *rest, last = stream.getvalue().split("\n")
    assert LINE.match(first)
    assert last == ""
    assert all(line.startswith("  | ") for line in rest)
    assert all(line.isprintable() for line in (first, *rest))


def test_a_forged_line_is_seen_to_be_data() -> None:
    forged = "x\n12:00:00 ERROR   all is lost\r\x1b[2K\x1b[31m\u202egnorw"
    stream = Terminal()
    setup_logging(stream)
    log.info("row %s", forged)
    first, second, _ = stream.getvalue().split("\n")
    assert first.endswith("INFO    row x")
    assert second == r"  | 12:00:00 ERROR   all is lost\r\x1b[2K\x1b[31m\u202egnorw"


@pytest.mark.parametrize("json_lines", [True, False])
def test_passwords_are_hidden_in_messages_arguments_and_tracebacks(json_lines: bool) -> None:
    stream = StringIO()
    setup_logging(stream, json=json_lines)
    url = f"postgresql://reader:{PASSWORD}@db/crm"
    log.info(f"connecting to {url}")
    log.info("connecting to %s", url)
    log.info("options %r", {"url": url})
    try:
        try:
            fail(ConnectionError(url))
        except ConnectionError as error:
            raise RuntimeError("no database") from error
    except RuntimeError:
        log.exception("failed")
    text = stream.getvalue()
    assert PASSWORD not in text
    assert text.count("postgresql://reader:***@db/crm") >= 4
    assert "RuntimeError: no database" in text


def test_hiding_does_not_change_what_other_handlers_get() -> None:
    setup_logging(StringIO())
    other = BufferingHandler(10)
    log.addHandler(other)
    try:
        log.info("at %s", "x://u:p4ss@h")
    finally:
        log.removeHandler(other)
    assert other.buffer[0].args == ("x://u:p4ss@h",)
