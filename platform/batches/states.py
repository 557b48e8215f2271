"""What a batch and its items can be, and the one table of what may happen to a batch. Decides; writes through batches.changes.

    open ─closed→ validating ─validated→ in_progress ─all_ended→ finalizing ─finished→ completed
                      │ empty                  ↑                                          │
                      ↓                        └───────────── reopened ───────────────────┤ (a retry, a release)
                    failed                                                                │
    open, validating, in_progress, finalizing ─cancel_asked→ cancelling ─drained→ cancelled
                                                                        ─drained_by_expiry→ expired

Expiry asks for cancelling too, and is remembered until what runs has been called back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from django.db import models


class BatchState(models.TextChoices):
    """Where a batch stands; the drawing is above."""

    OPEN = "open"
    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class ItemStatus(models.TextChoices):
    """Where an item stands. From QUEUED on it is its job's status; PENDING with a job waits to have it queued again."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


class BatchHappening(StrEnum):
    """What can happen to a batch. The `kind` of a BatchEvent."""

    CREATED = "created"
    CLOSED = "closed"
    VALIDATED = "validated"
    EMPTY = "empty"
    ALL_ENDED = "all_ended"
    FINISHED = "finished"
    REOPENED = "reopened"
    CANCEL_ASKED = "cancel_asked"
    EXPIRY_ASKED = "expiry_asked"
    DRAINED = "drained"
    DRAINED_BY_EXPIRY = "drained_by_expiry"


ENDED_STATES = frozenset({BatchState.COMPLETED, BatchState.FAILED, BatchState.CANCELLED, BatchState.EXPIRED})
ACTIVE_STATES = (BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING, BatchState.CANCELLING)
#: Items that something will still happen to by itself.
LIVE_STATUSES = (ItemStatus.PENDING, ItemStatus.QUEUED, ItemStatus.RUNNING)

_STOPPABLE = (BatchState.OPEN, BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING)

TABLE: Mapping[tuple[BatchState | None, BatchHappening], BatchState] = MappingProxyType(
    {
        (None, BatchHappening.CREATED): BatchState.OPEN,
        (BatchState.OPEN, BatchHappening.CLOSED): BatchState.VALIDATING,
        (BatchState.VALIDATING, BatchHappening.VALIDATED): BatchState.IN_PROGRESS,
        (BatchState.VALIDATING, BatchHappening.EMPTY): BatchState.FAILED,
        (BatchState.IN_PROGRESS, BatchHappening.ALL_ENDED): BatchState.FINALIZING,
        (BatchState.FINALIZING, BatchHappening.FINISHED): BatchState.COMPLETED,
        **{(state, BatchHappening.CANCEL_ASKED): BatchState.CANCELLING for state in _STOPPABLE},
        **{(state, BatchHappening.EXPIRY_ASKED): BatchState.CANCELLING for state in _STOPPABLE},
        (BatchState.CANCELLING, BatchHappening.DRAINED): BatchState.CANCELLED,
        (BatchState.CANCELLING, BatchHappening.DRAINED_BY_EXPIRY): BatchState.EXPIRED,
        (BatchState.FINALIZING, BatchHappening.REOPENED): BatchState.IN_PROGRESS,
        (BatchState.COMPLETED, BatchHappening.REOPENED): BatchState.IN_PROGRESS,
        (BatchState.CANCELLED, BatchHappening.REOPENED): BatchState.IN_PROGRESS,
        (BatchState.EXPIRED, BatchHappening.REOPENED): BatchState.IN_PROGRESS,
    }
)
