"""The ledger's entry point: `celery -A config.celery_app worker -Q ledger`. The app itself is made in jobs.broker, because
the dispatcher and the web processes publish with it too."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # migrate runs Django's checks, once: they load every page

import django

django.setup()

from celery.signals import setup_logging  # noqa: E402  - after setup, like all that follows

from jobs.broker import celery_app  # noqa: E402  - after setup: importing it loads models

app = celery_app()
app.conf.include = ["jobs.ledger_tasks"]
app.conf.worker_enable_remote_control = False  # commands are for inference workers; here each would be an error in the log


@setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Celery would replace the root logger's handlers, and with them LOG_FORMAT, LOG_LEVEL and the net that keeps identities out.
    That somebody is connected here is what stops it."""
