"""From files to a queued job: the one way in. What a file must be is studies.intake's concern; HTTP is jobs.api's."""

from __future__ import annotations

from collections.abc import Sequence

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
) -> Job:
    """Receive a study and queue its job: study, images, job and order in one transaction, or none of them.

    Raises CodedError for files that cannot be an image of a mammogram, for a deployment that does not exist, and over a quota.
    """
    deployment = deployment_resolve(
        site=site, name=deployment_name
    )  # first: it costs a query, reading the files may cost seconds
    quota_check(site=site)
    received = study_receive(site=site, files=files, image_lateralities=image_lateralities, view_positions=view_positions)
    with transaction.atomic():
        quota_take(site=site, stored_bytes=sum(image.size_bytes for image in received.images))
        study = study_create(received=received, site=site, external_id=external_id, submitted_by=user)
        return job_submit(study=study, deployment=deployment, priority=priority, submitted_by=user)
