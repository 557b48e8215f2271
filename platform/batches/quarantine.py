"""Items kept aside: released after a fix, discarded, or given up by age. Keeping them aside is batches.changes' concern."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import User
from batches.changes import item_moved
from batches.manifest import ManifestErrors, deployment_read, prefix_read, uploads_read
from batches.models import Batch, BatchItem, Duplicates, QuarantineState
from batches.services import BatchConflict, actor_of, batch_reopen, deployment_check, uploads_check
from batches.states import BatchState, ItemStatus
from common import clock

_CHUNK = 200
_FIELDS = frozenset({"uploads", "prefix", "deployment", "duplicates"})


def item_release(*, item_id: uuid.UUID, data: Any, released_by: User) -> None:
    """Try a held item again, with what was mended in the place of what was wrong.

    `data`: uploads or prefix, deployment, duplicates; each may be missing. Raises ManifestRefusal, or BatchConflict
    quarantine:not_held.
    """
    with transaction.atomic():
        item = _held(item_id)
        fields = _mended(item, data, released_by)
        item_moved(
            item=item,
            status=ItemStatus.PENDING,
            quarantine=QuarantineState.RELEASED,
            not_before=clock.now(),
            waits=0,
            tries=0,
            failure_code="",
            failure_detail="",
            failure_files=[],
            **fields,
        )
        batch = Batch.objects.select_for_update().get(pk=item.batch_id)
        if batch.state == BatchState.CANCELLING:
            raise BatchConflict("quarantine:not_held", batch.state)
        batch_reopen(batch=batch, actor=actor_of(released_by))
        audit_record(
            actor=released_by, action="quarantine.release", subject=str(item.pk), batch=str(batch.pk), mended=sorted(fields)
        )


def item_discard(*, item_id: uuid.UUID, discarded_by: User) -> None:
    """Give a held item up: it has failed, with the code it was kept aside for. Raises BatchConflict quarantine:not_held."""
    with transaction.atomic():
        item = _held(item_id)
        item_moved(item=item, status=ItemStatus.FAILED, quarantine=QuarantineState.DISCARDED)
        audit_record(actor=discarded_by, action="quarantine.discard", subject=str(item.pk), batch=str(item.batch_id))


def quarantine_purge() -> int:
    """Give up what has been held for QUARANTINE_KEPT_DAYS; returns how many items."""
    limit = clock.now() - datetime.timedelta(days=settings.QUARANTINE_KEPT_DAYS)
    purged = 0
    while True:
        with transaction.atomic():
            old = BatchItem.objects.filter(quarantine=QuarantineState.HELD, quarantined_at__lt=limit)
            items = list(old.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:_CHUNK])
            for item in items:
                item_moved(item=item, status=ItemStatus.FAILED, quarantine=QuarantineState.DISCARDED)
        purged += len(items)
        if len(items) < _CHUNK:
            return purged


def _held(item_id: uuid.UUID) -> BatchItem:
    item = BatchItem.objects.select_for_update(of=("self",)).select_related("batch__site").get(pk=item_id)
    if item.quarantine != QuarantineState.HELD:
        raise BatchConflict("quarantine:not_held", item.quarantine)
    return item


def _mended(item: BatchItem, data: Any, user: User) -> dict[str, Any]:
    """The columns that a release changes. Raises ManifestRefusal."""
    errors = ManifestErrors()
    if not isinstance(data, dict):
        errors.add("", "invalid", "The body is a JSON object.")
        data = {}
    for name in data:
        if name not in _FIELDS:
            errors.add(name[:40].encode("utf-8", "replace").decode(), "unknown", "There is no such field.")
    fields: dict[str, Any] = {}
    site = item.batch.site
    if data.get("uploads") and data.get("prefix"):
        errors.add("", "one_of_uploads_prefix", "Send either uploads or a prefix.")
    elif "uploads" in data:
        uploads = uploads_read(data["uploads"], "uploads", errors)
        uploads_check(site=site, wanted=[(f"uploads[{at}]", text, None) for at, text in enumerate(uploads)], errors=errors)
        fields |= {"uploads": list(uploads), "prefix": "", "source": None, "source_key": ""}
    elif "prefix" in data:
        fields |= {"uploads": [], "prefix": prefix_read(data["prefix"], "prefix", errors), "source": None, "source_key": ""}
    if "deployment" in data:
        fields["deployment_name"] = deployment_read(data["deployment"], "deployment", errors)
        if not deployment_check(site=site, name=fields["deployment_name"]):
            errors.add("deployment", "unknown_deployment", "No deployment has this name at this site.")
    if "duplicates" in data:
        fields["duplicates"] = data["duplicates"]
        if data["duplicates"] not in Duplicates.values:
            errors.add("duplicates", "invalid", f"One of {', '.join(Duplicates.values)}.")
    errors.raise_if_any()
    return fields
