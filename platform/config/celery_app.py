"""The platform's Celery app: the ledger consumes events with it, the dispatcher publishes orders with it."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from inference_worker.contract.queues import APPLY_EVENTS_TASK, LEDGER_QUEUE, celery_settings

app = Celery("ledger", broker=settings.BROKER_URL)
app.conf.update(
    **celery_settings(),
    task_default_queue=LEDGER_QUEUE,
    task_routes={APPLY_EVENTS_TASK: {"queue": LEDGER_QUEUE}},
    include=["jobs.ledger_tasks"],
)
