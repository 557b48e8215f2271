"""What people may ask of batches: make, add, close, cancel, retry. Each is one transaction; the work is batches.loop's.

Releasing what was kept aside is batches.quarantine's concern.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import Site, User
from batches.bulk import rows_insert
from batches.changes import UNSHARED, batch_transition, counts_add
from batches.manifest import ManifestErrors, ManifestPart, ManifestRefusal, manifest_read, part_read
from batches.models import Batch, BatchItem, BatchSource, QuarantineState
from batches.references import uploads_by_id, uploads_known
from batches.states import ENDED_STATES, BatchHappening, BatchState, ItemStatus
from catalog.selectors import deployment_resolve
from common import clock
from inference_worker.contract.failures import CodedError
from transfers.services import uploads_keep

T = TypeVar("T")

#: Rows of one INSERT, and ids of one query: below what SQLite binds.
_CHUNK = 1000
_STARTED = (BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING, BatchState.COMPLETED)


class BatchConflict(Exception):
    """The batch is not in a state that allows what was asked. `code` is what the caller is told, `state` where it is."""

    def __init__(self, code: str, state: str) -> None:
        self.code = code
        self.state = state
        super().__init__(f"{code}: {state}")


def batch_create(*, user: User, site: Site, data: Any) -> Batch:
    """Make a batch of a manifest, whole or not at all. Raises ManifestRefusal with everything that is wrong with it."""
    manifest, errors = manifest_read(data)
    _references_check(site=site, part=manifest.part, default_deployment=manifest.deployment_name, errors=errors)
    errors.raise_if_any()
    now = clock.now()
    with transaction.atomic():
        batch = Batch.objects.create(
            site=site,
            submitted_by=user,
            name=manifest.name,
            urgency=manifest.urgency,
            deployment_name=manifest.deployment_name,
            metadata=manifest.metadata,
            duplicates=manifest.duplicates,
            expires_after_seconds=manifest.expires_after_seconds,
            expires_at=now + datetime.timedelta(seconds=manifest.expires_after_seconds),
        )
        batch_transition(batch=batch, happening=BatchHappening.CREATED, actor=actor_of(user))
        _part_add(batch=batch, part=manifest.part)
        if manifest.auto_start:
            batch_transition(batch=batch, happening=BatchHappening.CLOSED, actor=actor_of(user))
    return batch


def batch_append(*, batch_id: uuid.UUID, data: Any) -> None:
    """More of it, while it is open. Raises ManifestRefusal, or BatchConflict batch:not_open."""
    part, errors = part_read(data)
    with transaction.atomic():
        batch = Batch.objects.select_for_update(of=("self",)).select_related("site").get(pk=batch_id)
        if batch.state != BatchState.OPEN:
            raise BatchConflict("batch:not_open", batch.state)
        _references_check(site=batch.site, part=part, default_deployment=batch.deployment_name, errors=errors)
        _custom_ids_check(batch=batch, part=part, errors=errors)
        errors.raise_if_any()
        _part_add(batch=batch, part=part)


def batch_close(*, batch_id: uuid.UUID, closed_by: User | None) -> None:
    """Start an open batch; a started one is left as it is. Raises BatchConflict batch:not_open for one that has ended."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.state in _STARTED:
            return
        if not batch_transition(batch=batch, happening=BatchHappening.CLOSED, actor=actor_of(closed_by)):
            raise BatchConflict("batch:not_open", batch.state)


def batch_cancel(*, batch_id: uuid.UUID, cancelled_by: User | None) -> None:
    """Have everything ended that has not; what is done stays. Raises BatchConflict batch:not_cancellable."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.state in (BatchState.CANCELLING, BatchState.CANCELLED):
            return
        asked = BatchHappening.CANCEL_ASKED
        if not batch_transition(batch=batch, happening=asked, actor=actor_of(cancelled_by), failure_code="input:cancelled"):
            raise BatchConflict("batch:not_cancellable", batch.state)


def batch_retry(*, batch_id: uuid.UUID, statuses: Sequence[str], retried_by: User | None) -> int:
    """Have the items of these statuses (failed, cancelled) tried again; returns how many. What was discarded stays so.

    Raises BatchConflict batch:nothing_to_retry, also while the batch is being cancelled.
    """
    retryable = BatchItem.objects.filter(batch_id=batch_id, status__in=statuses)
    retryable = retryable.exclude(Q(quarantine=QuarantineState.DISCARDED) & Q(job=None))
    with transaction.atomic():
        moved: Counter[str] = Counter()
        keys: list[uuid.UUID] = []
        for pk, status in retryable.select_for_update().order_by("pk").values_list("pk", "status"):
            keys.append(pk)
            moved[status] -= 1
        if keys:
            for some in chunks(keys):
                rows = BatchItem.objects.filter(pk__in=some)
                rows.update(status=ItemStatus.PENDING, **_AFRESH, not_before=clock.now())
                rows.filter(reused=True).update(**UNSHARED)  # the job is not this batch's to retry
            moved[ItemStatus.PENDING] = len(keys)
            counts_add({batch_id: moved})
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if not keys or batch.state == BatchState.CANCELLING:
            transaction.set_rollback(True)
            raise BatchConflict("batch:nothing_to_retry", batch.state)
        batch_reopen(batch=batch, actor=actor_of(retried_by))
    return len(keys)


#: Columns of an item that is to be tried as if it had never been.
_AFRESH: dict[str, Any] = {
    "ended_at": None,
    "waits": 0,
    "tries": 0,
    "failure_code": "",
    "failure_detail": "",
    "failure_files": [],
}


def batch_reopen(*, batch: Batch, actor: str) -> None:
    """A locked batch that has ended goes on, because an item of it does. Others are going on already."""
    if batch.state in ENDED_STATES or batch.state == BatchState.FINALIZING:
        batch_transition(batch=batch, happening=BatchHappening.REOPENED, actor=actor)


def actor_of(user: User | None) -> str:
    """People appear in histories by their key: a user name may be a person's name."""
    return f"user:{user.pk}" if user is not None else "platform"


def chunks(sequence: Sequence[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(sequence), size):
        yield sequence[start : start + size]


def uploads_check(*, site: Site, wanted: Iterable[tuple[str, str, int | None]], errors: ManifestErrors) -> None:
    """Every (where, upload id, index) must be an upload of the site that is not gone; others are added to `errors`."""
    listed = [entry for entry in wanted if entry[1]]
    known: set[str] = set()
    for some in chunks(sorted({upload_id for _, upload_id, _ in listed})):
        known |= uploads_known(site=site, ids=some)
    for where, upload_id, index in listed:
        if upload_id not in known:
            errors.add(where, "unknown_upload", "No upload of this site has this id.", index=index)


def deployment_check(*, site: Site, name: str) -> bool:
    """Whether there is such a deployment. One that is missing for now is no fault of the sender's: its items wait."""
    try:
        deployment_resolve(site=site, name=name)
    except CodedError as error:
        return error.code == "model:none_deployed"
    return True


def _references_check(*, site: Site, part: ManifestPart, default_deployment: str, errors: ManifestErrors) -> None:
    uploads: list[tuple[str, str, int | None]] = [
        (f"items[{index}].uploads[{at}]", upload_id, index)
        for index, item in enumerate(part.items)
        for at, upload_id in enumerate(item.uploads)
    ]
    uploads += [(f"archives[{at}]", upload_id, None) for at, upload_id in enumerate(part.archives)]
    uploads_check(site=site, wanted=uploads, errors=errors)
    message = "No deployment has this name at this site."
    names = {item.deployment_name for item in part.items if item.deployment_name} | {default_deployment}
    unknown = {name for name in names if name and not deployment_check(site=site, name=name)}
    if default_deployment in unknown:
        errors.add("deployment", "unknown_deployment", message)
    for index, item in enumerate(part.items):
        if item.deployment_name in unknown:
            errors.add(f"items[{index}].deployment", "unknown_deployment", message, index=index)


def _custom_ids_check(*, batch: Batch, part: ManifestPart, errors: ManifestErrors) -> None:
    known: dict[str, int] = {}
    for some in chunks([item.custom_id for item in part.items]):
        known |= dict(BatchItem.objects.filter(batch=batch, custom_id__in=some).values_list("custom_id", "position"))
    for index, item in enumerate(part.items):
        if item.custom_id in known:
            message = f"“{item.custom_id}” is item {known[item.custom_id]} of the batch already."
            errors.add(f"items[{index}].custom_id", "duplicate", message, index=index)


def _part_add(*, batch: Batch, part: ManifestPart) -> None:
    """Rows of what was read, after what is there. The batch is locked or new."""
    now = clock.now()
    start = batch.total_count
    items_room_check(start + len(part.items))
    items = [
        BatchItem(
            batch=batch,
            position=start + at,
            custom_id=item.custom_id,
            external_id=item.external_id,
            urgency=batch.urgency if item.urgency is None else item.urgency,
            deployment_name=batch.deployment_name if item.deployment_name is None else item.deployment_name,
            metadata=item.metadata,
            uploads=list(item.uploads),
            prefix=item.prefix,
            not_before=now,
        )
        for at, item in enumerate(part.items)
    ]
    items_insert(batch=batch, items=items)
    places = BatchSource.objects.filter(batch=batch).count()
    sources = [{"upload": upload_id} for upload_id in part.archives] + [{"prefix": prefix} for prefix in part.prefixes]
    BatchSource.objects.bulk_create(
        BatchSource(batch=batch, position=places + at, not_before=now, **source) for at, source in enumerate(sources)
    )
    wanted = [upload_id for item in part.items for upload_id in item.uploads] + list(part.archives)
    for some in chunks(wanted):
        uploads_keep(uploads_by_id(site=batch.site, ids=some), until=batch.expires_at)


def items_room_check(total: int) -> None:
    """Raises ManifestRefusal input:too_many_items."""
    if total > settings.BATCH_MAX_ITEMS:
        message = f"A batch may hold {settings.BATCH_MAX_ITEMS} items."
        raise ManifestRefusal([{"field": "items", "code": "too_many", "message": message}], code="input:too_many_items")


def items_insert(*, batch: Batch, items: Sequence[BatchItem]) -> None:
    """New items of a locked batch, and its counts."""
    rows_insert(items)
    for item in items:
        item._state.adding = False
    counts_add({batch.pk: Counter(item.status for item in items)})
