"""The audit history over HTTP, for administrators: pages to read, and the whole as a file. Parse, call, answer."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit import audit_csv, audit_visible_to
from accounts.audit_names import EntryNames, names_of
from accounts.callers import caller
from accounts.models import AuditEntry
from accounts.permissions import CanAdminister
from common.pagination import CursorPagination
from common.queries import moment_asked, text_asked

_TAGS = ["audit"]
_INVALID = OpenApiResponse(OpenApiTypes.OBJECT, description="A filter is not valid (input:invalid_field).")
_FILTERS = [
    OpenApiParameter("action", str, description="Such as deployment.activate; left out: any."),
    OpenApiParameter("actor", str, description="A sign-in name; left out: anybody."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Only from this moment on."),
]


class AuditEntrySerializer(serializers.Serializer):
    """One change. `actor` null: the platform itself. `subject` is the object's key, `subject_name` what people call it now, null
    where it has no name; `detail` depends on the action, `detail_names` has the names of what it holds the keys of."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(allow_null=True)
    site = serializers.CharField(allow_null=True)
    action = serializers.CharField()
    subject = serializers.CharField()
    subject_name = serializers.CharField(allow_null=True)
    detail = serializers.DictField()
    detail_names = serializers.DictField(child=serializers.CharField())


class AuditPageSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AuditEntrySerializer(many=True)


class AuditPagination(CursorPagination):
    """Newest first by the moment of the change."""

    ordering = ("-at", "-id")


def _entry_document(entry: AuditEntry, names: EntryNames) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "actor": entry.actor.username if entry.actor else None,
        "site": entry.site.slug if entry.site else None,
        "action": entry.action,
        "subject": entry.subject,
        "subject_name": names.subject or None,
        "detail": entry.detail,
        "detail_names": dict(names.detail),
    }


def _entries(request: Request) -> QuerySet[AuditEntry]:
    """What the caller asks for."""
    return audit_visible_to(
        user=caller(request),
        action=text_asked(request, "action"),
        actor=text_asked(request, "actor"),
        since=moment_asked(request, "since"),
    )


class AuditListView(APIView):
    """Who changed what: the caller's site and the platform itself, newest first."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="audit_list",
        summary="The audit history",
        tags=_TAGS,
        parameters=[*_FILTERS, OpenApiParameter("cursor", str), OpenApiParameter("page_size", int, description="At most 200.")],
        responses={200: AuditPageSerializer, 400: _INVALID},
    )
    def get(self, request: Request) -> Response:
        pages = AuditPagination()
        rows = pages.paginate_queryset(_entries(request), request, view=self) or []
        documents = [_entry_document(row, names) for row, names in zip(rows, names_of(rows), strict=True)]
        answer = pages.get_paginated_response(documents)
        answer["Cache-Control"] = "private, no-store"
        return answer


class AuditExportView(APIView):
    """The same as CSV, unabridged, for an auditor to keep."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="audit_export",
        summary="The audit history as a file",
        tags=_TAGS,
        parameters=_FILTERS,
        responses={(200, "text/csv"): str, 400: _INVALID},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        answer = StreamingHttpResponse(audit_csv(_entries(request).iterator(500)), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
        answer["Cache-Control"] = "private, no-store"
        return answer
