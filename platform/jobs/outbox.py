"""Orders as rows: written in the transaction that wants them, published later by the dispatcher.

It builds orders and knows where an attempt's artifacts lie. It does not publish and changes no job.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from catalog.models import ModelPackage
from inference_worker.contract.orders import ImageReference, InferenceOrder
from jobs.models import Job, OutboxMessage
from studies.models import Image

if TYPE_CHECKING:
    from collections.abc import Mapping


def artifact_prefix(*, job: Job, attempt: int) -> str:
    """The folder in the object store where this attempt, and no other, writes. No slash at the end."""
    return f"sites/{job.site_id}/jobs/{job.pk}/{attempt}"


def orders_write(*, wanted: Sequence[tuple[Job, datetime.datetime]]) -> list[OutboxMessage]:
    """One outbox row for the current attempt of each (job, not_before). Three queries for any number of jobs."""
    images: dict[UUID, list[ImageReference]] = defaultdict(list)
    for image in (
        Image.objects.filter(study_id__in={job.study_id for job, _ in wanted})
        .select_related("stored_object")
        .order_by("study_id", "position")
    ):
        images[image.study_id].append(
            ImageReference(
                image_id=str(image.pk),
                object_key=image.stored_object.object_key,
                sha256=image.stored_object.sha256,
                media_type=image.stored_object.media_type,
                image_laterality=image.image_laterality or None,
                view_position=image.view_position or None,
            )
        )
    packages: Mapping[str, str] = dict(
        ModelPackage.objects.filter(pk__in={job.package_id for job, _ in wanted}).values_list("digest", "object_key")
    )
    rows = []
    for job, not_before in wanted:
        order = InferenceOrder(
            job_id=str(job.pk),
            attempt=job.attempt,
            study_id=str(job.study_id),
            images=tuple(images[job.study_id]),
            package_digest=job.package_id,
            package_key=packages[job.package_id],
            artifact_prefix=artifact_prefix(job=job, attempt=job.attempt),
            priority=job.priority,
            lease_seconds=settings.JOB_LEASE_SECONDS,
        )
        rows.append(
            OutboxMessage(
                job_id=job.pk,
                attempt=job.attempt,
                site_id=job.site_id,
                queue=job.priority,
                order=order.to_wire(),
                not_before=not_before,
            )
        )
    return OutboxMessage.objects.bulk_create(rows)
