"""What the logs hold, and what they must not."""

from __future__ import annotations

import io
import json
import logging
import sys

from common.logging import exception_without_values, identity_drop, logging_config


def _raised(source: str, filename: str) -> tuple:
    try:
        exec(compile(source, filename, "exec"), {})  # noqa: S102 a frame of a chosen file name
    except ValueError:
        return sys.exc_info()
    raise AssertionError("nothing was raised")


def test_keys_that_may_identify_a_patient_are_removed() -> None:
    event = identity_drop(None, "info", {"event": "x", "patient_name": "Roe^Jane", "FileName": "roe.dcm", "job_id": "1"})

    assert event == {"event": "x", "patient_name": "[removed]", "FileName": "[removed]", "job_id": "1"}


def test_a_traceback_through_a_file_reader_keeps_its_frames_and_loses_its_message() -> None:
    info = _raised("raise ValueError('Roe^Jane')", "/somewhere/pydicom/values.py")

    event = exception_without_values(None, "error", {"event": "x", "exc_info": info})

    assert event["exception"] == "ValueError"
    assert event["traceback"][-1] == "values.py:1 <module>"
    assert "Roe" not in str(event)


def test_other_tracebacks_keep_their_message() -> None:
    info = _raised("raise ValueError('database is locked')", "/somewhere/django/db.py")

    assert exception_without_values(None, "error", {"exc_info": info})["exception_message"] == "database is locked"


def test_an_event_without_an_exception_passes_unchanged() -> None:
    assert exception_without_values(None, "info", {"event": "x", "exc_info": None}) == {"event": "x"}


def test_a_log_line_tells_which_job_it_is_about_and_nothing_else_that_hangs_on_it() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    config = logging_config(log_format="json", level="INFO")["formatters"]["structured"]
    handler.setFormatter(config.pop("()")(**config))
    logger = logging.getLogger("tests.of.logging")
    logger.propagate = False
    logger.addHandler(handler)

    logger.warning("attempt failed", extra={"job_id": "17", "attempt": 2, "request": "GET /?name=Roe", "body": b"Roe"})

    line = json.loads(stream.getvalue())
    assert (line["event"], line["job_id"], line["attempt"]) == ("attempt failed", "17", 2)
    assert "Roe" not in stream.getvalue()
