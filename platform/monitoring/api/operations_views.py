"""The operators' dashboard over HTTP. Computed at most every few seconds for each scope, whoever asks."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from common.conditional import conditional_response, etag_for
from inference_worker.contract.failures import CodedError
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.api.serializers import ProblemSerializer
from jobs.heartbeats import EVENT_FLOW
from monitoring.operations import PROCESS_KINDS, WINDOWS, operations_report

_REMEMBERED_SECONDS = 2


class StepSerializer(serializers.Serializer):
    """The jobs that ended in one step of the window, which begins `at`; seconds from submission to result, null without any."""

    at = serializers.DateTimeField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    total_p50 = serializers.FloatField(allow_null=True)
    total_p95 = serializers.FloatField(allow_null=True)


class FailureCountSerializer(serializers.Serializer):
    code = serializers.CharField()
    jobs = serializers.IntegerField()


class WaitingPercentilesSerializer(serializers.Serializer):
    """Of `jobs` jobs of the window, in seconds; null without any."""

    jobs = serializers.IntegerField()
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class StageSerializer(WaitingPercentilesSerializer):
    """One stage of the run, as the worker measures it."""

    stage = serializers.CharField()


class SiteWaitingSerializer(serializers.Serializer):
    site = serializers.CharField()
    waiting = serializers.IntegerField()


class QueueSerializer(serializers.Serializer):
    """Orders of a priority that wait for a worker, of every site; `sites` names those the caller may see."""

    priority = serializers.ChoiceField(choices=list(ORDER_QUEUES))
    waiting = serializers.IntegerField()
    oldest_seconds = serializers.IntegerField(allow_null=True)
    sites = SiteWaitingSerializer(many=True)


class ProcessSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=[*PROCESS_KINDS, EVENT_FLOW])
    name = serializers.CharField()
    alive = serializers.BooleanField()
    last_seen_at = serializers.DateTimeField()
    device = serializers.CharField(allow_null=True)
    concurrency = serializers.IntegerField()
    active = serializers.IntegerField()
    resident_memory_bytes = serializers.IntegerField(allow_null=True)
    software_version = serializers.CharField(allow_null=True)


class InServiceSerializer(serializers.Serializer):
    deployment = serializers.CharField()
    site = serializers.CharField(allow_null=True)
    package = serializers.CharField()
    digest = serializers.CharField()


class StorageSerializer(serializers.Serializer):
    images_bytes = serializers.IntegerField()
    incoming_bytes = serializers.IntegerField()
    database_bytes = serializers.IntegerField()
    disk_free_bytes = serializers.IntegerField()
    disk_total_bytes = serializers.IntegerField()


class OperationsSerializer(serializers.Serializer):
    """`total_seconds`: submission to result, of which `wait_seconds` until a worker started and `run_seconds` from then on.
    `missing`: kinds of processes of which none is alive."""

    window = serializers.ChoiceField(choices=list(WINDOWS))
    throughput = StepSerializer(many=True)
    failures = FailureCountSerializer(many=True)
    total_seconds = WaitingPercentilesSerializer()
    wait_seconds = WaitingPercentilesSerializer()
    run_seconds = WaitingPercentilesSerializer()
    stages = StageSerializer(many=True)
    queues = QueueSerializer(many=True)
    processes = ProcessSerializer(many=True)
    missing = serializers.ListField(child=serializers.ChoiceField(choices=list(PROCESS_KINDS)))
    in_service = InServiceSerializer(many=True)
    storage = StorageSerializer()


class OperationsView(APIView):
    """Throughput, queues, latency, failures, processes and storage at a glance."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="operations",
        summary="How the platform does",
        tags=["monitoring"],
        parameters=[OpenApiParameter("window", str, enum=list(WINDOWS), default="24h")],
        responses={200: OperationsSerializer, 400: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        user = caller(request)
        site = None if user.is_superuser else user.site
        window = request.query_params.get("window", "24h")
        if window not in WINDOWS:
            raise CodedError("input:invalid_field", f"window: one of {', '.join(WINDOWS)}")
        key = f"operations.{window}.{site.pk if site else 'all'}"
        report: dict[str, Any] | None = cache.get(key)
        if report is None:
            report = operations_report(site=site, window=window)
            cache.set(key, report, _REMEMBERED_SECONDS)
        return conditional_response(request, etag=etag_for("operations", report), build=lambda: report)
