"""Read side of batches: what a user may see. Another site's batch does not exist. Never saves."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.models import User
from batches.models import Batch, BatchItem


def batches_visible_to(*, user: User) -> QuerySet[Batch]:
    """Batches of the user's site, with their sources."""
    if user.site_id is None:
        return Batch.objects.none()
    return Batch.objects.filter(site_id=user.site_id).prefetch_related("sources")


def items_of(*, batch: Batch) -> QuerySet[BatchItem]:
    """The batch's items in the order of its manifest, with what a list shows of their jobs."""
    rows = BatchItem.objects.filter(batch=batch).select_related("job", "source")
    return rows.only(
        *_ITEM_COLUMNS, "job__failure_code", "job__failure_detail", "job__status", "source__upload", "source__prefix"
    )


def items_with_failure(items: QuerySet[BatchItem], code: str) -> QuerySet[BatchItem]:
    """Those that ended with this code, whether before their job was made or with it."""
    return items.filter(Q(failure_code=code) | Q(failure_code="", job__failure_code=code))


def quarantine_visible_to(*, user: User) -> QuerySet[BatchItem]:
    """Items of the user's site that were ever kept aside."""
    if user.site_id is None:
        return BatchItem.objects.none()
    rows = BatchItem.objects.filter(quarantined_at__isnull=False, batch__site_id=user.site_id)
    return rows.select_related("source", "job")


_ITEM_COLUMNS = tuple(field.name for field in BatchItem._meta.concrete_fields)
