"""Exports of the worklist over HTTP: the jobs that filters leave, or chosen ones. Parse, count, stream."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.audit import audit_record
from accounts.callers import caller
from accounts.permissions import CanRead
from common import clock
from common.downloads import streamed
from common.fields import StrictBooleanField, StrictUUIDField
from common.negotiation import AnyAccept
from inference_worker.contract.failures import CodedError
from jobs.api.export import EXPORT_MAXIMUM, export_csv, export_jsonl
from jobs.api.job_list import FORBIDDEN, REFUSED, JobFilter, site_asked, sort_asked
from jobs.api.serializers import ASSESSMENTS, PRIORITIES, STATUSES, ProblemSerializer
from jobs.listing import DEFAULT_SORT, SORTS, Sort
from jobs.models import Job, JobPurpose
from jobs.selectors import jobs_listed, jobs_reachable_by, jobs_visible_to

_JSONL, _CSV = "application/x-ndjson", "text/csv"
SELECTION_MAXIMUM = 1000
_TOO_LARGE = OpenApiResponse(ProblemSerializer, description=f"More than {EXPORT_MAXIMUM:,} jobs match (input:export_too_large).")


class _FormSerializer(serializers.Serializer):
    """What the file is to be, as a query says it."""

    format = serializers.ChoiceField(choices=["csv", "jsonl"], default="csv")
    identifiers = serializers.BooleanField(default=False)


class SelectionExportSerializer(_FormSerializer):
    """Chosen jobs. Those that are not there for you are left out."""

    identifiers = StrictBooleanField(  # a query says “true”, a body true
        default=False, help_text="With the hospital's own identifiers, for studies of your own site. Noted in the audit."
    )
    jobs = serializers.ListField(child=StrictUUIDField(), min_length=1, max_length=SELECTION_MAXIMUM)
    sort = serializers.ChoiceField(choices=list(SORTS), default=DEFAULT_SORT)


class ExportLineSerializer(serializers.Serializer):
    """One line of JSON Lines, with the names of the CSV's columns. `failure_…` are null where nothing failed."""

    job = serializers.UUIDField()
    site = serializers.CharField(help_text="Its slug.")
    study = serializers.UUIDField()
    external_id = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=STATUSES)
    priority = serializers.ChoiceField(choices=PRIORITIES)
    deployment = serializers.CharField()
    purpose = serializers.ChoiceField(choices=JobPurpose.choices)
    attempt = serializers.IntegerField()
    assessment = serializers.ChoiceField(choices=ASSESSMENTS, allow_null=True)
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # DRF keeps fields apart from attributes
    suspicion = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    above_threshold = serializers.BooleanField(allow_null=True)
    package = serializers.CharField()
    package_version = serializers.CharField()
    package_digest = serializers.CharField()
    failure_code = serializers.CharField(allow_null=True)
    failure_message = serializers.CharField(allow_null=True)
    failure_action = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    study_instance_uid = serializers.CharField(allow_null=True, help_text="Like the two after it: with `identifiers` alone.")
    patient_id = serializers.CharField(allow_null=True)
    accession_number = serializers.CharField(allow_null=True)
    use = serializers.CharField()


class ExportCountSerializer(serializers.Serializer):
    count = serializers.IntegerField(help_text="Up to one more than `maximum`, which stands for more than one file holds.")
    maximum = serializers.IntegerField()


_FILE = {
    (200, _JSONL): ExportLineSerializer,
    (200, _CSV): OpenApiTypes.STR,
    400: REFUSED,
    403: FORBIDDEN,
}


class _Filtered(GenericAPIView):
    permission_classes = [CanRead]
    filterset_class = JobFilter
    pagination_class = None
    queryset = Job.objects.none()  # the schema's; what is answered comes from the selector


def _count(jobs: QuerySet[Job]) -> int:
    """No further than one too many."""
    return jobs.order_by().values("pk")[: EXPORT_MAXIMUM + 1].count()


class JobExportView(_Filtered):
    """The jobs that the filters of the list leave, in its order, as a file."""

    content_negotiation_class = AnyAccept
    serializer_class = SelectionExportSerializer  # for OPTIONS, which says what a POST takes

    @extend_schema(
        operation_id="jobs_export",
        summary="Export jobs as CSV or JSON Lines",
        filters=True,
        description="Takes the list's own filters and `sort`. Cells that a spreadsheet would run are defused.",
        tags=["jobs"],
        parameters=[
            OpenApiParameter("format", str, enum=["csv", "jsonl"], description="Left out: csv."),
            OpenApiParameter("identifiers", bool, description="true: with the hospital's own identifiers of your own site."),
        ],
        responses={**_FILE, 413: _TOO_LARGE},
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = _FormSerializer(
            data={name: request.query_params[name] for name in ("format", "identifiers") if name in request.query_params}
        )
        asked.is_valid(raise_exception=True)
        site, user = site_asked(request), caller(request)
        if _count(self.filter_queryset(jobs_listed(user=user, site=site))) > EXPORT_MAXIMUM:
            raise CodedError("input:export_too_large", f"{EXPORT_MAXIMUM} at most")
        return _file(
            request, self.filter_queryset(jobs_visible_to(user=user, site=site)), sort_asked(request), asked.validated_data
        )

    @extend_schema(
        operation_id="jobs_export_chosen",
        summary="Export chosen jobs as CSV or JSON Lines",
        tags=["jobs"],
        filters=False,
        request=SelectionExportSerializer,
        responses=_FILE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = SelectionExportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        jobs = jobs_reachable_by(user=caller(request)).filter(pk__in=set(given["jobs"]))
        return _file(request, jobs, SORTS[given["sort"]], given)


class JobExportCountView(_Filtered):
    """How many jobs an export of these filters would hold."""

    @extend_schema(
        operation_id="jobs_export_count",
        summary="Count what an export would hold",
        tags=["jobs"],
        filters=True,
        responses={200: ExportCountSerializer, 400: REFUSED, 403: FORBIDDEN},
    )
    def get(self, request: Request) -> Response:
        jobs = self.filter_queryset(jobs_listed(user=caller(request), site=site_asked(request)))
        return Response({"count": _count(jobs), "maximum": EXPORT_MAXIMUM}, headers={"Cache-Control": "no-store"})


def _file(request: Request, jobs: QuerySet[Job], sort: Sort, asked: dict[str, Any]) -> HttpResponseBase:
    user = caller(request)
    identifiers_of = user.site_id if asked["identifiers"] else None
    if identifiers_of is not None:
        audit_record(actor=user, action="job.export", subject=str(identifiers_of), format=asked["format"])
    name = f"worklist-{clock.now():%Y-%m-%d}.{asked['format']}"
    if asked["format"] == "csv":
        rows = export_csv(jobs=jobs, sort=sort, identifiers_of=identifiers_of)
        return streamed(rows, content_type=f"{_CSV}; charset=utf-8", file_name=name)
    lines = export_jsonl(jobs=jobs, sort=sort, identifiers_of=identifiers_of)
    return streamed(lines, content_type=_JSONL, file_name=name)
