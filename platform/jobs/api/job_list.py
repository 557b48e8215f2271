"""The list of jobs over HTTP: filters, orders, pages, counts. Polled by every open worklist: 304 costs two queries."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
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
from jobs.listing import DEFAULT_SORT, SORTS, BadKey, Sort, Statement, Told, key_read, key_written, statements_of, told_read
from jobs.models import EVERY_JOB, Job, JobStatus
from jobs.positions import queue_state
from jobs.reading import unread_by
from jobs.selectors import (
    EVERY_SITE,
    eta_seconds,
    job_counts,
    job_counts_state,
    jobs_listed,
    jobs_visible_to,
    queue_positions,
    sees_every_site,
    suspicion_side,
)
from jobs.unread import marks_state, unread_count

REFUSED = OpenApiResponse(ProblemSerializer, description="A filter is not valid (input:invalid_field).")
FORBIDDEN = OpenApiResponse(ProblemSerializer, description="Other sites are for platform administrators.")
_CURSOR_MAXIMUM = 500
_PLANS_MAXIMUM = 1000
_SITE_HELP = "A site's slug, or * for every site: for platform administrators. Left out: your own."


def site_asked(request: Request) -> str:
    """The `site` of the address; empty for the caller's own."""
    return request.query_params.get("site", "").replace("\x00", "")[:50]


def sort_asked(request: Request) -> Sort:
    return SORTS.get(request.query_params.get("sort", ""), SORTS[DEFAULT_SORT])


class JobFilter(filters.FilterSet):
    """`status` may be repeated. `external_id` matches exactly, for scripts; `search` finds a part of it, for people."""

    status = filters.MultipleChoiceFilter(choices=JobStatus.choices, distinct=False)  # a column of the job's own row
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

    def plan_make(self, jobs: QuerySet[Job], request: Request) -> _Plan:
        """What the database will be asked for the page that the request wants."""
        sort = sort_asked(request)
        limit = self.get_page_size(request) or self.page_size
        after, backwards = self._place(request, sort)

        def asked(after: Any, backwards: bool) -> list[Statement]:
            return statements_of(jobs, sort=sort, after=after, limit=limit + 1, backwards=backwards)

        start = asked(None, False) if backwards else []
        return _Plan(sort=sort, limit=limit, first=after is None, backwards=backwards, asked=asked(after, backwards), start=start)

    def page_read(self, plan: _Plan, request: Request) -> list[Told]:
        """The page as it is now."""
        self.request, self.base_url, self.sort = request, request.build_absolute_uri(), plan.sort
        first, backwards, limit = plan.first, plan.backwards, plan.limit
        found = told_read(plan.asked, limit=limit + 1, backwards=backwards)
        if backwards and len(found) <= limit:  # the beginning: a whole page of it, with what has come since
            first, backwards = True, False
            found = told_read(plan.start, limit=limit + 1)
        more = len(found) > limit
        self.has_previous, self.has_next = (more, True) if backwards else (not first, more)
        return found[-limit:] if backwards else found[:limit]

    def links_between(self, jobs: Sequence[Job]) -> None:
        """The page whose ends its links lead on from."""
        self.page = list(jobs)

    def _place(self, request: Request, sort: Sort) -> tuple[Any, bool]:
        cursor = self.decode_cursor(request)
        if cursor is None:
            return None, False
        try:
            return key_read(sort, json.loads(str(cursor.position)[:_CURSOR_MAXIMUM])), bool(cursor.reverse)
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """A page: `asked` of the database, and `start` instead where reading backwards has come to the beginning."""

    sort: Sort
    limit: int
    first: bool
    backwards: bool
    asked: list[Statement]
    start: list[Statement]


class _Plans:
    """Plans by everything they depend on, the least used forgotten. For one process; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], _Plan] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> _Plan | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, key: tuple[Any, ...], plan: _Plan) -> None:
        with self._lock:
            self._known[key] = plan
            while len(self._known) > _PLANS_MAXIMUM:
                self._known.popitem(last=False)


_plans = _Plans()


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
        pages: Any = self.paginator
        # Whether anything has changed is told by keys, revisions and what was read; for places in the queue by its state.
        page = pages.page_read(self._plan(request), request)
        queues = queue_state().etag if any(job.status == JobStatus.QUEUED for job in page) else ""
        etag = etag_for(request.get_full_path(), queues, pages.has_next, pages.has_previous, *page)

        def build() -> Any:
            documents = []
            keys = [job.job_id for job in page]
            whole = jobs_visible_to(user=user, site=site).in_bulk(keys)
            jobs = [whole[key] for key in keys]
            pages.links_between(jobs)
            positions = queue_positions(jobs=jobs)
            for job in jobs:
                position = positions.get(job.pk)
                eta = eta_seconds(job=job, queue_position=position)
                documents.append(job_document(job, queue_position=position, eta_seconds=eta))
            return self.get_paginated_response(documents).data

        return conditional_response(request, etag=etag, build=build)

    def _plan(self, request: Request) -> _Plan:
        user, asked = caller(request), request.META.get("QUERY_STRING", "")
        # The statement holds thresholds for `side`, and a site's key for a named one: both may be others tomorrow.
        named = "site=" in asked and site_asked(request) != EVERY_SITE
        lasting = "side=" not in asked and not named and len(asked) <= _CURSOR_MAXIMUM
        key = (user.pk, user.site_id, sees_every_site(user), user.results_read_until, asked)
        plan = _plans.get(key) if lasting else None
        if plan is None:
            jobs = self.filter_queryset(jobs_listed(user=user, site=site_asked(request)))
            if site_asked(request) == EVERY_SITE and sort_asked(request).is_by_age:
                jobs = jobs.filter(EVERY_JOB)  # which has an index in that order
            pages: Any = self.paginator
            plan = pages.plan_make(jobs, request)
            if lasting:
                _plans.put(key, plan)
        return plan


class JobCountsView(APIView):
    """How many jobs of the site are in each state, and how many results the person has not read."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_summary",
        summary="Count jobs by status",
        tags=["jobs"],
        parameters=[OpenApiParameter("site", str, description=_SITE_HELP)],
        responses={200: JobCountsSerializer, 400: REFUSED, 403: FORBIDDEN},
    )
    def get(self, request: Request) -> Response:
        user, site = caller(request), site_asked(request)
        state = job_counts_state(user=user, site=site)
        counts = None if state else job_counts(user=user, site=site)
        rests_on = (state, counts and tuple(counts.items()), marks_state(user=user))

        def build() -> Any:
            return {
                "counts": counts or job_counts(user=user, site=site),
                "unread": unread_count(user=user, site=site, rests_on=rests_on),
            }

        return conditional_response(request, etag=etag_for("summary", site, rests_on), build=build)
