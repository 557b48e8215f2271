"""Results of a batch over HTTP, streamed: JSON Lines or CSV, and a ZIP of heatmaps."""

from __future__ import annotations

import uuid

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.audit import audit_record
from accounts.callers import caller
from accounts.permissions import CanRead
from batches.api.heatmaps import heatmaps_zip
from batches.api.results import results_csv, results_jsonl
from batches.api.serializers import ResultLineSerializer
from batches.api.views import NOT_FOUND, REFUSED, batch_or_404
from batches.states import ItemStatus
from common.downloads import streamed
from common.negotiation import AnyAccept

_JSONL, _CSV = "application/x-ndjson", "text/csv"
_FORMAT = OpenApiParameter("format", str, enum=["jsonl", "csv"], description="Left out: as Accept says, else jsonl.")
_STATUS = OpenApiParameter("status", str, many=True, enum=list(ItemStatus.values), description="May be repeated.")
_IDENTIFIERS = OpenApiParameter("identifiers", bool, description="false leaves the hospital's own identifiers out.")


class _Query(serializers.Serializer):
    """What may be asked of results."""

    format = serializers.ChoiceField(choices=["jsonl", "csv"], required=False)
    status = serializers.MultipleChoiceField(choices=ItemStatus.choices, required=False)
    identifiers = serializers.BooleanField(default=True)


class BatchResultsView(APIView):
    """Every item of a batch with its result or its coded failure, in manifest order, whether the batch has ended or not."""

    permission_classes = [CanRead]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="batches_results",
        summary="A batch's results",
        description="One JSON object a line (application/x-ndjson), or CSV with Accept: text/csv or ?format=csv.",
        tags=["batches"],
        parameters=[_FORMAT, _STATUS, _IDENTIFIERS],
        responses={
            (200, _JSONL): ResultLineSerializer,
            (200, _CSV): OpenApiTypes.STR,
            400: REFUSED,
            404: NOT_FOUND,
        },
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> HttpResponseBase:
        batch = batch_or_404(request, batch_id)
        query = _Query(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        statuses = sorted(asked.get("status", ()))
        accepts = request.headers.get("Accept", "")
        wanted = asked.get("format") or ("csv" if _CSV in accepts and _JSONL not in accepts else "jsonl")
        if asked["identifiers"]:
            audit_record(actor=caller(request), action="batch.results", subject=str(batch.pk), format=wanted)
        if wanted == "csv":
            rows = results_csv(batch=batch, statuses=statuses, with_identifiers=asked["identifiers"])
            return streamed(rows, content_type=f"{_CSV}; charset=utf-8", file_name=f"batch-{batch.pk}.csv")
        lines = results_jsonl(batch=batch, statuses=statuses, with_identifiers=asked["identifiers"])
        return streamed(lines, content_type=_JSONL, file_name=f"batch-{batch.pk}.jsonl")


class BatchHeatmapsView(APIView):
    """Overlays of every result so far, a folder for each item, with an index."""

    permission_classes = [CanRead]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="batches_heatmaps",
        summary="A batch's heatmaps as a ZIP",
        tags=["batches"],
        responses={(200, "application/zip"): OpenApiTypes.BINARY, 404: NOT_FOUND},
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> HttpResponseBase:
        batch = batch_or_404(request, batch_id)
        return streamed(heatmaps_zip(batch=batch), content_type="application/zip", file_name=f"batch-{batch.pk}-heatmaps.zip")
