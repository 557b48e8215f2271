"""One job over HTTP: itself, its history, cancel and retry. Parse, call, answer; another site's job is 404."""

from __future__ import annotations

import uuid

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Role
from accounts.permissions import CanRead, CanSubmit
from common.conditional import conditional_response, etag_for
from common.problems import Problem
from inference_worker.contract.failures import CATALOGUE
from jobs.api.documents import event_document, failure_document, job_document
from jobs.api.job_serializers import EventsSerializer, JobSerializer
from jobs.api.serializers import CatalogueSerializer, ProblemSerializer
from jobs.models import Job, JobStatus
from jobs.selectors import eta_seconds, evidence_jobs, job_events, jobs_reachable_by, queue_positions
from jobs.services import JobConflict, job_cancel, job_retry

NOT_FOUND = OpenApiResponse(ProblemSerializer, description="No such object at your site.")
CONFLICT = OpenApiResponse(ProblemSerializer, description="The job's state does not allow it.")
_RETRY_AFTER_UNKNOWN_SECONDS = 2
_RETRY_AFTER_MAXIMUM_SECONDS = 30


def job_or_404(request: Request, job_id: uuid.UUID) -> Job:
    """A job of the caller's site; for platform administrators of any. Shadows and replays exist for administrators alone."""
    user = caller(request)
    job = jobs_reachable_by(user=user).filter(pk=job_id).first()
    if job is None and user.role == Role.ADMINISTRATOR:
        job = evidence_jobs(user=user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


def retry_after(job: Job, eta: int | None) -> dict[str, str]:
    """Retry-After from the estimated time left, 1 to 30 s, while there is something to wait for."""
    if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        return {}
    return {"Retry-After": str(max(1, min(_RETRY_AFTER_MAXIMUM_SECONDS, eta or _RETRY_AFTER_UNKNOWN_SECONDS)))}


def job_response(job: Job, *, status: int) -> Response:
    """A job that has just been changed or made."""
    position = queue_positions(jobs=[job]).get(job.pk)
    eta = eta_seconds(job=job, queue_position=position)
    return Response(job_document(job, queue_position=position, eta_seconds=eta), status=status, headers=retry_after(job, eta))


class JobDetailView(APIView):
    """One job: poll it with If-None-Match and as often as Retry-After says."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_retrieve", summary="Follow a job", tags=["jobs"], responses={200: JobSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        job = job_or_404(request, job_id)
        position = queue_positions(jobs=[job]).get(job.pk)
        eta = eta_seconds(job=job, queue_position=position)
        return conditional_response(
            request,
            etag=etag_for(job.pk, job.revision, position, job.is_unread),  # type: ignore[attr-defined]  # annotated by jobs.selectors
            build=lambda: job_document(job, queue_position=position, eta_seconds=eta),
            headers=retry_after(job, eta),
        )


class JobEventsView(APIView):
    """Everything that happened to a job, oldest first."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_events", summary="A job's history", tags=["jobs"], responses={200: EventsSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        job = job_or_404(request, job_id)
        return conditional_response(
            request,
            etag=etag_for("events", job.pk, job.revision),
            build=lambda: {"results": [event_document(event) for event in job_events(job=job)]},
        )


class JobCancelView(APIView):
    """End a job that is queued or running."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="jobs_cancel",
        summary="Cancel a job",
        tags=["jobs"],
        request=None,
        responses={202: JobSerializer, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job_or_404(request, job_id)
        try:
            job_cancel(job_id=job_id, cancelled_by=caller(request))
        except JobConflict as error:
            raise conflict("job:not_cancellable", "Not cancellable", f"The job is {error.status}.") from error
        return job_response(job_or_404(request, job_id), status=202)


class JobRetryView(APIView):
    """Queue a failed or cancelled job again, with the package it had."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="jobs_retry",
        summary="Retry a job",
        tags=["jobs"],
        request=None,
        responses={202: JobSerializer, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job_or_404(request, job_id)
        try:
            job_retry(job_id=job_id, retried_by=caller(request))
        except JobConflict as error:
            raise conflict("job:not_retryable", "Not retryable", f"The job is {error.status}.") from error
        return job_response(job_or_404(request, job_id), status=202)


def conflict(code: str, title: str, detail: str) -> Problem:
    return Problem(
        status=409, code=code, title=title, detail=detail, action="Look at the job's “actions” for what is possible now."
    )


class FailureCatalogueView(APIView):
    """Every failure code with its words: who must act, and how."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="failures_list", summary="The catalogue of failure codes", tags=["jobs"], responses=CatalogueSerializer
    )
    def get(self, request: Request) -> Response:
        entries = [
            {**failure_document(code), "responsibility": failure.responsibility.value} for code, failure in CATALOGUE.items()
        ]
        return conditional_response(request, etag=etag_for("failures", entries), build=lambda: {"results": entries})
