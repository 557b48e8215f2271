"""The events a site can be told of. Names are stable: integrators match on them. notifications.events says what each carries."""

from __future__ import annotations

from django.db import models


class EventType(models.TextChoices):
    """`<object>.<what became of it>`."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_VALIDATING = "batch.validating"
    BATCH_IN_PROGRESS = "batch.in_progress"
    BATCH_FINALIZING = "batch.finalizing"
    BATCH_COMPLETED = "batch.completed"
    BATCH_FAILED = "batch.failed"
    BATCH_EXPIRED = "batch.expired"
    BATCH_CANCELLING = "batch.cancelling"
    BATCH_CANCELLED = "batch.cancelled"
    DEPLOYMENT_CHANGED = "deployment.changed"
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"


#: Sent on request to one endpoint, whatever it subscribes to.
PING = "webhook.ping"
EVENT_TYPES = frozenset(EventType.values)
