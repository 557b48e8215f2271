"""Batches, their items, where items come from, and what happened. Rows only; what may happen stands in batches.states.

The counts of a batch are kept by batches.changes in the transaction that changes an item, so that a poll reads one row.
"""

from __future__ import annotations

import datetime
import uuid

from django.conf import settings
from django.db import models

from accounts.models import Site
from batches.states import ENDED_STATES, BatchState, ItemStatus
from common.append_only import AppendOnlyModel
from inference_worker.contract.queues import ORDER_QUEUES, Priority
from jobs.models import Job
from studies.models import Study


class Duplicates(models.TextChoices):
    """What becomes of a study whose very files the site has sent before."""

    REUSE = "reuse"
    RERUN = "rerun"
    REFUSE = "refuse"


class QuarantineState(models.TextChoices):
    """What became of an item that was kept aside; empty for one that never was."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


class SourceState(models.TextChoices):
    PENDING = "pending"
    EXPANDED = "expanded"
    FAILED = "failed"


class Batch(models.Model):
    """Many studies of one site, handed over together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="batches")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    name = models.CharField(max_length=100, blank=True, default="")
    state = models.CharField(max_length=12, choices=BatchState, default=BatchState.OPEN)
    #: Place of its priority among the queues, 0 the most urgent; of items that do not say.
    urgency = models.PositiveSmallIntegerField(default=ORDER_QUEUES.index(Priority.ROUTINE.value))
    deployment_name = models.CharField(max_length=50, blank=True, default="")
    metadata = models.JSONField(default=dict)
    duplicates = models.CharField(max_length=6, choices=Duplicates, default=Duplicates.REUSE)
    expires_after_seconds = models.PositiveIntegerField()
    #: Why it failed, or why it is being ended: input:cancelled or input:batch_expired.
    failure_code = models.CharField(max_length=64, blank=True, default="")
    #: Rises with every change that a poll shows; part of the ETag.
    revision = models.PositiveIntegerField(default=1)

    total_count = models.PositiveIntegerField(default=0)
    pending_count = models.PositiveIntegerField(default=0)
    queued_count = models.PositiveIntegerField(default=0)
    running_count = models.PositiveIntegerField(default=0)
    succeeded_count = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0)
    cancelled_count = models.PositiveIntegerField(default=0)
    quarantined_count = models.PositiveIntegerField(default=0)
    #: pending + queued + running.
    live_count = models.PositiveIntegerField(default=0)
    queue_position = models.PositiveIntegerField(null=True, blank=True)
    eta_seconds = models.PositiveIntegerField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    validating_at = models.DateTimeField(null=True, blank=True)
    in_progress_at = models.DateTimeField(null=True, blank=True)
    finalizing_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    cancelling_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["site", "-created_at", "-id"], name="batch_of_site_newest"),
            models.Index(
                fields=["urgency", "created_at"],
                name="batch_active",
                condition=models.Q(state__in=["validating", "in_progress", "finalizing", "cancelling"]),
            ),
            models.Index(
                fields=["expires_at"],
                name="batch_not_ended",
                condition=models.Q(state__in=["open", "validating", "in_progress", "finalizing"]),
            ),
            models.Index(
                fields=["live_count"],
                name="batch_ended_but_live",
                condition=models.Q(state__in=sorted(state.value for state in ENDED_STATES), live_count__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class BatchSource(models.Model):
    """An archive or a prefix whose studies become items."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="sources")
    position = models.PositiveIntegerField()
    upload = models.UUIDField(null=True, blank=True)
    prefix = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=8, choices=SourceState, default=SourceState.PENDING)
    item_count = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField()
    waits = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "position"], name="source_position_once")]

    def __str__(self) -> str:
        return f"{self.batch_id} source {self.position}"


class BatchItem(models.Model):
    """One study of a batch. Where its files are stands in `uploads`, or `prefix`, or `source` with `source_key`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)
    #: Its place in the batch, from 0; the order of results.
    position = models.PositiveIntegerField()
    custom_id = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128, blank=True, default="")
    status = models.CharField(max_length=11, choices=ItemStatus, default=ItemStatus.PENDING)
    urgency = models.PositiveSmallIntegerField()
    deployment_name = models.CharField(max_length=50, blank=True, default="")
    metadata = models.JSONField(default=dict)
    uploads = models.JSONField(default=list)
    prefix = models.CharField(max_length=500, blank=True, default="")
    source = models.ForeignKey(BatchSource, on_delete=models.CASCADE, null=True, blank=True, related_name="items", db_index=False)
    #: Which of the source's studies: a digest under the site's key, because its UID or folder may name a patient.
    source_key = models.CharField(max_length=64, blank=True, default="")
    #: Overrides the batch's; set by a release.
    duplicates = models.CharField(max_length=6, choices=Duplicates, blank=True, default="")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    #: The job is of an earlier submission of the same files, which may still be on its way: nothing here may cancel or repeat it.
    reused = models.BooleanField(default=False)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_detail = models.CharField(max_length=500, blank=True, default="")
    #: [{index, code, message}] of single files.
    failure_files = models.JSONField(default=list)
    quarantine = models.CharField(max_length=9, choices=QuarantineState, blank=True, default="")
    quarantined_at = models.DateTimeField(null=True, blank=True)
    #: Nobody takes it up before then: it waits for its files, or a process has it in hand.
    not_before = models.DateTimeField()
    #: How often it was put off; the pause grows with it.
    waits = models.PositiveSmallIntegerField(default=0)
    #: How often it was taken up without an end; a study that kills whoever touches it is kept aside.
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "custom_id"], name="item_custom_id_once"),
            models.UniqueConstraint(fields=["batch", "position"], name="item_position_once"),
        ]
        indexes = [
            models.Index(fields=["batch", "status", "position"], name="item_of_batch_status"),
            models.Index(fields=["batch", "urgency", "position"], name="item_pending", condition=models.Q(status="pending")),
            models.Index(fields=["job"], name="item_of_job", condition=models.Q(job__isnull=False)),
            models.Index(fields=["study"], name="item_of_study", condition=models.Q(study__isnull=False)),
            models.Index(
                fields=["-quarantined_at", "-id"], name="item_quarantined", condition=models.Q(quarantined_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def quarantine_ends_at(self) -> datetime.datetime:
        """When an item that was kept aside is given up by itself."""
        if self.quarantined_at is None:
            raise ValueError("the item was never kept aside")
        return self.quarantined_at + datetime.timedelta(days=settings.QUARANTINE_KEPT_DAYS)


class BatchEvent(AppendOnlyModel):
    """One change of a batch's state."""

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=20)
    from_state = models.CharField(max_length=12, blank=True, default="")
    to_state = models.CharField(max_length=12)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["batch", "id"], name="batch_event_of_batch")]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.kind}"
