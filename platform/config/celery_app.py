"""The ledger's entry point: `celery -A config.celery_app worker -Q ledger`. The app itself is made in jobs.broker, because
the dispatcher and the web processes publish with it too."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from jobs.broker import celery_app  # noqa: E402  - after setup: importing it loads models

app = celery_app()
app.conf.include = ["jobs.ledger_tasks"]
