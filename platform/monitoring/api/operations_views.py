"""The operators' dashboard over HTTP. Computed at most every few seconds for each scope, whoever asks."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from common.conditional import conditional_response, etag_for
from inference_worker.contract.queues import ORDER_QUEUES
from monitoring.operations import operations_report

_REMEMBERED_SECONDS = 2


class HourSerializer(serializers.Serializer):
    hour = serializers.DateTimeField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class FailureCountSerializer(serializers.Serializer):
    code = serializers.CharField()
    jobs = serializers.IntegerField()


class WaitingPercentilesSerializer(serializers.Serializer):
    """Of `jobs` jobs of the last 24 hours, in seconds; null without any."""

    jobs = serializers.IntegerField()
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


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
    kind = serializers.ChoiceField(choices=["worker", "ledger", "dispatcher", "event_flow"])
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
    throughput = HourSerializer(many=True)
    failures = FailureCountSerializer(many=True)
    run_seconds = WaitingPercentilesSerializer()
    wait_seconds = WaitingPercentilesSerializer()
    queues = QueueSerializer(many=True)
    processes = ProcessSerializer(many=True)
    in_service = InServiceSerializer(many=True)
    storage = StorageSerializer()


class OperationsView(APIView):
    """Throughput, queues, latency, failures, processes and storage at a glance."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="operations", summary="How the platform does", tags=["monitoring"], responses=OperationsSerializer
    )
    def get(self, request: Request) -> Response:
        user = caller(request)
        site = None if user.is_superuser else user.site
        key = f"operations.{site.pk if site else 'all'}"
        report: dict[str, Any] | None = cache.get(key)
        if report is None:
            report = operations_report(site=site)
            cache.set(key, report, _REMEMBERED_SECONDS)
        return conditional_response(request, etag=etag_for("operations", report), build=lambda: report)
