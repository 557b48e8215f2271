"""Structured logs: JSON for machines, coloured lines for a terminal. Nothing that identifies a patient passes.

Request bodies, form fields and file names are never logged; this module is the net below that rule, not a licence to break it.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: Keys that may hold a patient's identity, wherever they come from.
_FORBIDDEN_KEYS = frozenset(
    {
        "patient",
        "patient_id",
        "patient_name",
        "birth_date",
        "file_name",
        "filename",
        "body",
        "data",
        "post",
        "files",
        "password",
        "token",
    }
)


#: What a log line may say besides its words, when it comes from the standard library's `extra`. A list of what is allowed,
#: because Django hangs whole requests there.
_EXTRA_KEYS = ("job_id", "attempt", "stage", "study_id", "package_digest")


def identity_drop(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Remove forbidden keys and say that they were removed."""
    for key in [key for key in event if str(key).lower() in _FORBIDDEN_KEYS]:
        event[key] = "[removed]"
    return event


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _reads_files(trace: TracebackType | None) -> bool:
    """Whether a traceback passes through code that holds a file's contents, whose values end up in messages."""
    parts = [set(PurePath(frame.filename).parts) for frame in traceback.extract_tb(trace)]
    return any({"pydicom", "PIL", "dicomanonymizer", "studies"} & names for names in parts)


def exception_without_values(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A traceback as frames and exception type; its message only where no file's contents can be in it."""
    info = event.pop("exc_info", None)
    if info is True:
        import sys

        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if not info or info[0] is None:
        return event
    kind, value, trace = info
    event["exception"] = kind.__name__
    event["traceback"] = _frames(trace)
    if not _reads_files(trace):
        event["exception_message"] = str(value)[:500]
    return event


def logging_config(*, log_format: str, level: str) -> dict[str, Any]:
    """Django's LOGGING. `log_format` is "json" or "console"."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_EXTRA_KEYS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        identity_drop,
        exception_without_values,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Replaces Django's own handlers, which would print every record twice.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Refusals are logged by route in common.middleware; Django's own lines hold the address as the sender wrote it.
            "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # Two lines for each message, which say that a task of that name ran.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            # Where it found its credentials and its endpoint, in every process and every command.
            "aiobotocore": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            # A line for each request with its whole address, which may hold a receiver's credential.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            # pydicom and Pillow put values of the file into their warnings and debug lines.
            "pydicom": {"level": "CRITICAL", "propagate": False, "handlers": []},
            "PIL": {"level": "CRITICAL", "propagate": False, "handlers": []},
        },
    }


def quiet_file_readers() -> None:
    """Keep libraries that read files from warning with the file's contents."""
    for name in ("pydicom", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
