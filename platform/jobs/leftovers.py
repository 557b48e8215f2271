"""Pictures and pixels of jobs that are no more: what is derived from a study does not outlive it.

A sample study may be removed while a worker writes its last files. When that worker says that it has come to an end, whatever it
wrote goes too.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable

from accounts.models import Site
from common.object_store import object_store
from inference_worker.contract.failures import CodedError
from jobs.models import Job

logger = logging.getLogger(__name__)


def artifacts_remove(*, site_id: uuid.UUID, job_ids: Iterable[uuid.UUID]) -> None:
    """Best effort: what cannot be removed now is a few pictures that no row names and nobody is served."""
    for pk in job_ids:
        try:
            for key in object_store().list_keys(f"sites/{site_id}/jobs/{pk}"):
                object_store().delete(key)
        except CodedError as error:
            logger.warning("pictures of a job that is no more are left behind: %s", error.code, extra={"job_id": str(pk)})


def leftovers_remove(job_ids: Iterable[uuid.UUID]) -> None:
    """The files of those among them that are jobs of no site; outside any transaction. A report does not say whose it was."""
    wanted = set(job_ids)
    gone = wanted - set(Job.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    if gone:
        for site_id in Site.objects.values_list("pk", flat=True):
            artifacts_remove(site_id=site_id, job_ids=gone)
