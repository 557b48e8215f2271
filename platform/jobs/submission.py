"""From files to a queued job: the one way in. What a file must be is studies.intake's concern; HTTP is jobs.api's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from accounts.models import Site, User
from catalog.selectors import deployment_resolve
from inference_worker.contract.queues import Priority
from jobs.models import Job
from jobs.quotas import quota_check, quota_take
from jobs.services import job_submit
from studies.intake import study_receive
from studies.services import study_create
from transfers.models import Upload
from transfers.services import uploads_consume, uploads_open, uploads_ready


def study_submit(
    *,
    user: User,
    site: Site,
    files: Sequence[UploadedFile],
    image_lateralities: Sequence[str] = (),
    view_positions: Sequence[str] = (),
    deployment_name: str = "",
    priority: Priority | str = Priority.ROUTINE,
    external_id: str = "",
    is_sample: bool = False,
    uploads: Sequence[Upload] = (),
    committing: Callable[[Job], None] | None = None,
) -> Job:
    """Receive a study and queue its job: study, images, job and order in one transaction, or none of them.

    `uploads`: what the files were received as, consumed in the same transaction. `committing` is called with the job as the last
    thing in it; what it raises undoes the submission. Raises CodedError for files that cannot be an image of a mammogram, for a
    deployment that does not exist, over a quota, and for uploads that somebody else was quicker to use.
    """
    deployment = deployment_resolve(
        site=site, name=deployment_name
    )  # first: it costs a query, reading the files may cost seconds
    quota_check(site=site)
    received = study_receive(site=site, files=files, image_lateralities=image_lateralities, view_positions=view_positions)
    with transaction.atomic():
        quota_take(site=site, stored_bytes=sum(image.size_bytes for image in received.images))
        study = study_create(received=received, site=site, external_id=external_id, submitted_by=user, is_sample=is_sample)
        uploads_consume(uploads)
        job = job_submit(study=study, deployment=deployment, priority=priority, submitted_by=user)
        if committing is not None:
            committing(job)
    return job


def study_submit_uploads(
    *,
    user: User,
    site: Site,
    upload_ids: Sequence[uuid.UUID],
    image_lateralities: Sequence[str] = (),
    view_positions: Sequence[str] = (),
    deployment_name: str = "",
    priority: Priority | str = Priority.ROUTINE,
    external_id: str = "",
    committing: Callable[[Job], None] | None = None,
) -> Job:
    """As study_submit, with files that have arrived as uploads. When it is refused the uploads are kept, to be used or ended."""
    uploads = uploads_ready(site=site, ids=upload_ids)
    with uploads_open(uploads) as files:
        return study_submit(
            user=user,
            site=site,
            files=files,
            image_lateralities=image_lateralities,
            view_positions=view_positions,
            deployment_name=deployment_name,
            priority=priority,
            external_id=external_id,
            uploads=uploads,
            committing=committing,
        )
