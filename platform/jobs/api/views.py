"""Jobs over HTTP: list, one job, its history, cancel and retry. Parse, call, answer; another site's job is 404."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Role
from accounts.permissions import CanRead, CanSubmit
from common.conditional import conditional_response, etag_for
from common.pagination import CursorPagination
from common.problems import Problem
from inference_worker.contract.failures import CATALOGUE
from inference_worker.contract.queues import Priority
from jobs.api.documents import event_document, failure_document, job_document
from jobs.api.serializers import (
    CatalogueSerializer,
    EventsSerializer,
    JobCountsSerializer,
    JobSerializer,
    ProblemSerializer,
)
from jobs.models import Job, JobStatus
from jobs.positions import queue_state
from jobs.selectors import (
    eta_seconds,
    evidence_jobs,
    job_counts,
    job_events,
    jobs_listed,
    jobs_visible_to,
    queue_positions,
    suspicion_side,
)
from jobs.services import JobConflict, job_cancel, job_retry

NOT_FOUND = OpenApiResponse(ProblemSerializer, description="No such object at your site.")
CONFLICT = OpenApiResponse(ProblemSerializer, description="The job's state does not allow it.")
_RETRY_AFTER_UNKNOWN_SECONDS = 2
_RETRY_AFTER_MAXIMUM_SECONDS = 30


def job_or_404(request: Request, job_id: uuid.UUID) -> Job:
    """A job of the caller's site. Shadows and replays exist for administrators alone."""
    user = caller(request)
    job = jobs_visible_to(user=user).filter(pk=job_id).first()
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


class JobFilter(filters.FilterSet):
    """`status` may be repeated. `external_id` matches exactly, for scripts; `search` finds a part of it, for people."""

    status = filters.MultipleChoiceFilter(choices=JobStatus.choices)
    priority = filters.ChoiceFilter(choices=[(item.value, item.value) for item in Priority])
    study = filters.UUIDFilter(field_name="study_id")
    external_id = filters.CharFilter(field_name="study__external_id", max_length=128)
    search = filters.CharFilter(field_name="study__external_id", lookup_expr="icontains", max_length=128)
    deployment = filters.CharFilter(field_name="deployment_name", max_length=50)
    label = filters.CharFilter(field_name="result__label", max_length=64)
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    side = filters.ChoiceFilter(
        choices=[("above", "above"), ("below", "below")],
        method="side_filter",
        help_text="Suspicion against the threshold of the job's own package.",
    )
    sort = filters.ChoiceFilter(choices=[("newest", "newest"), ("oldest", "oldest")], method="sort_leave")

    def side_filter(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        return jobs.filter(suspicion_side(above=value == "above"))

    def sort_leave(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        """The order is the pages' concern."""
        return jobs


class JobPages(CursorPagination):
    """Newest first, or with `sort=oldest` the other way round."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        return ("created_at", "id") if request.query_params.get("sort") == "oldest" else ("-created_at", "-id")


class JobListView(GenericAPIView):
    """The site's jobs, newest first."""

    permission_classes = [CanRead]
    serializer_class = JobSerializer
    filterset_class = JobFilter
    pagination_class = JobPages
    queryset = Job.objects.none()  # the schema's; what is answered comes from the selector

    @extend_schema(operation_id="jobs_list", summary="List jobs", tags=["jobs"], responses=JobSerializer(many=True))
    def get(self, request: Request) -> Response:
        user = caller(request)
        # Whether anything has changed is told by keys and revisions, and for places in the queue by the state of the queues.
        page: list[Job] = self.paginate_queryset(self.filter_queryset(jobs_listed(user=user))) or []
        queues = queue_state().etag if any(job.status == JobStatus.QUEUED for job in page) else ""
        etag = etag_for(request.get_full_path(), queues, *[(job.pk, job.revision) for job in page])

        def build() -> Any:
            documents = []
            whole = jobs_visible_to(user=user).in_bulk([job.pk for job in page])
            jobs = [whole[job.pk] for job in page]
            positions = queue_positions(jobs=jobs)
            for job in jobs:
                position = positions.get(job.pk)
                eta = eta_seconds(job=job, queue_position=position)
                documents.append(job_document(job, queue_position=position, eta_seconds=eta))
            return self.get_paginated_response(documents).data

        return conditional_response(request, etag=etag, build=build)


class JobCountsView(APIView):
    """How many jobs of the site are in each state."""

    permission_classes = [CanRead]

    @extend_schema(operation_id="jobs_summary", summary="Count jobs by status", tags=["jobs"], responses=JobCountsSerializer)
    def get(self, request: Request) -> Response:
        counts = job_counts(user=caller(request))
        return conditional_response(request, etag=etag_for("summary", counts), build=lambda: {"counts": counts})


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
            etag=etag_for(job.pk, job.revision, position),
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
