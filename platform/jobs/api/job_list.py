"""The list of jobs over HTTP: filters, orders, pages, counts. Polled by every open worklist: 304 costs two queries."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead
from common.conditional import conditional_response, etag_for
from common.pagination import CursorPagination
from inference_worker.contract.queues import Priority
from jobs.api.documents import job_document
from jobs.api.job_serializers import JobCountsSerializer, JobSerializer
from jobs.api.serializers import ProblemSerializer
from jobs.listing import DEFAULT_SORT, SORTS, BadKey, Sort, jobs_from, key_read, key_written
from jobs.models import Job, JobStatus
from jobs.positions import queue_state
from jobs.reading import unread_by
from jobs.selectors import eta_seconds, job_counts, jobs_listed, jobs_visible_to, queue_positions, suspicion_side

REFUSED = OpenApiResponse(ProblemSerializer, description="A filter is not valid (input:invalid_field).")
FORBIDDEN = OpenApiResponse(ProblemSerializer, description="Other sites are for platform administrators.")
_CURSOR_MAXIMUM = 500
_SITE_HELP = "A site's slug, or * for every site: for platform administrators. Left out: your own."


def site_asked(request: Request) -> str:
    """The `site` of the address; empty for the caller's own."""
    return request.query_params.get("site", "").replace("\x00", "")[:50]


def sort_asked(request: Request) -> Sort:
    return SORTS.get(request.query_params.get("sort", ""), SORTS[DEFAULT_SORT])


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
    reading = filters.ChoiceFilter(
        choices=[("unread", "unread"), ("read", "read")],
        method="reading_filter",
        help_text="Results that you have not opened, or have.",
    )
    site = filters.CharFilter(max_length=50, method="leave", help_text=_SITE_HELP)
    sort = filters.ChoiceFilter(
        choices=[(name, name) for name in SORTS],
        method="leave",
        help_text="Left out: newest. By suspicion, jobs without one come last.",
    )

    def side_filter(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        return jobs.filter(suspicion_side(above=value == "above"))

    def reading_filter(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        unread = unread_by(user=caller(self.request))
        return jobs.filter(unread) if value == "unread" else jobs.filter(status=JobStatus.SUCCEEDED).exclude(unread)

    def leave(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        """The site is the selector's concern, the order the pages'."""
        return jobs


class JobPages(CursorPagination):
    """Pages in the order of `sort`. A cursor belongs to the order it was made for; with another it is 404."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        self.base_url = request.build_absolute_uri()
        self.sort = sort_asked(request)
        limit = self.get_page_size(request) or self.page_size
        after, backwards = self._place(request)
        found = jobs_from(queryset, sort=self.sort, after=after, limit=limit + 1, backwards=backwards)
        if backwards and len(found) <= limit:  # the beginning: a whole page of it, with what has come since
            after, backwards = None, False
            found = jobs_from(queryset, sort=self.sort, limit=limit + 1)
        more = len(found) > limit
        self.page = found[-limit:] if backwards else found[:limit]
        self.has_previous, self.has_next = (more, True) if backwards else (after is not None, more)
        return self.page

    def _place(self, request: Request) -> tuple[Any, bool]:
        cursor = self.decode_cursor(request)
        if cursor is None:
            return None, False
        try:
            return key_read(self.sort, json.loads(str(cursor.position)[:_CURSOR_MAXIMUM])), bool(cursor.reverse)
        except (ValueError, BadKey, RecursionError) as error:
            raise NotFound(self.invalid_cursor_message) from error

    def position_is_valid(self, position: str) -> bool:
        """Read in `_place`, where the order is known."""
        return True

    def get_next_link(self) -> str | None:
        return self._link(self.page[-1], reverse=False) if self.has_next and self.page else None

    def get_previous_link(self) -> str | None:
        return self._link(self.page[0], reverse=True) if self.has_previous and self.page else None

    def _link(self, job: Job, *, reverse: bool) -> str:
        position = json.dumps(key_written(self.sort.key_of(job)), separators=(",", ":"))
        return self.encode_cursor(pagination.Cursor(offset=0, reverse=reverse, position=position))  # type: ignore[arg-type]  # DRF itself keeps text there


class JobListView(GenericAPIView):
    """The site's jobs, newest first."""

    permission_classes = [CanRead]
    serializer_class = JobSerializer
    filterset_class = JobFilter
    pagination_class = JobPages
    queryset = Job.objects.none()  # the schema's; what is answered comes from the selector

    @extend_schema(
        operation_id="jobs_list",
        summary="List jobs",
        tags=["jobs"],
        responses={200: JobSerializer(many=True), 400: REFUSED, 403: FORBIDDEN},
    )
    def get(self, request: Request) -> Response:
        user, site = caller(request), site_asked(request)
        # Whether anything has changed is told by keys, revisions and what was read; for places in the queue by its state.
        page: list[Job] = self.paginate_queryset(self.filter_queryset(jobs_listed(user=user, site=site))) or []
        queues = queue_state().etag if any(job.status == JobStatus.QUEUED for job in page) else ""
        pages: Any = self.paginator
        rows = [(job.pk, job.revision, job.is_unread) for job in page]  # type: ignore[attr-defined]  # annotated
        etag = etag_for(request.get_full_path(), queues, pages.has_next, pages.has_previous, *rows)

        def build() -> Any:
            documents = []
            whole = jobs_visible_to(user=user, site=site).in_bulk([job.pk for job in page])
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

    @extend_schema(
        operation_id="jobs_summary",
        summary="Count jobs by status",
        tags=["jobs"],
        parameters=[OpenApiParameter("site", str, description=_SITE_HELP)],
        responses={200: JobCountsSerializer, 400: REFUSED, 403: FORBIDDEN},
    )
    def get(self, request: Request) -> Response:
        counts = job_counts(user=caller(request), site=site_asked(request))
        return conditional_response(request, etag=etag_for("summary", counts), build=lambda: {"counts": counts})
