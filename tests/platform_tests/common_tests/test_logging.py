"""What the logs hold, and what they must not."""

from __future__ import annotations

import sys

from common.logging import exception_without_values, identity_drop


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
