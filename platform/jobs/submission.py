"""From files to a queued job: the one way in. What a file must be is studies.intake's concern; HTTP is jobs.api's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from accounts.models import Site, User
from catalog.selectors import deployment_resolve
from inference_worker.contract.queues import Priority
from jobs.models import Job
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
    committing: Callable[[Job], None] | None = None,
) -> Job:
    """Receive a study and queue its job: study, images, job and order in one transaction, or none of them.

    `committing` is called with the job as the last thing in that transaction; what it raises undoes the submission.
    Raises CodedError for files that cannot be an image of a mammogram and for a deployment that does not exist.
    """
    deployment = deployment_resolve(
        site=site, name=deployment_name
    )  # first: it costs a query, reading the files may cost seconds
    received = study_receive(site=site, files=files, image_lateralities=image_lateralities, view_positions=view_positions)
    with transaction.atomic():
        study = study_create(received=received, site=site, external_id=external_id, submitted_by=user)
        job = job_submit(study=study, deployment=deployment, priority=priority, submitted_by=user)
        if committing is not None:
            committing(job)
    return job
