"""Many jobs at once: cancel or retry, with an outcome for each. One that cannot be done keeps no other from being done."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanSubmit
from common.fields import StrictUUIDField
from jobs.models import JobStatus
from jobs.selectors import jobs_reachable_by
from jobs.services import JobConflict, job_cancel, job_retry

BULK_MAXIMUM = 200
_ACTIONS = ["cancel", "retry"]


class BulkSerializer(serializers.Serializer):
    action = serializers.ChoiceField(choices=_ACTIONS)
    jobs = serializers.ListField(child=StrictUUIDField(), min_length=1, max_length=BULK_MAXIMUM)


class BulkOutcomeSerializer(serializers.Serializer):
    """`done`, or why not: `refused` by the job's state, `not_found` at your site. `status`: the job's, afterwards."""

    job = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=["done", "refused", "not_found"])
    status = serializers.ChoiceField(choices=JobStatus.choices, allow_null=True)


class BulkOutcomesSerializer(serializers.Serializer):
    results = BulkOutcomeSerializer(many=True)


class JobBulkView(APIView):
    """Cancel or retry up to 200 jobs, each in a transaction of its own."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="jobs_bulk",
        summary="Cancel or retry many jobs",
        tags=["jobs"],
        request=BulkSerializer,
        responses=BulkOutcomesSerializer,
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        serializer = BulkSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = list(dict.fromkeys(serializer.validated_data["jobs"]))
        present = set(jobs_reachable_by(user=user).filter(pk__in=wanted).values_list("pk", flat=True))
        results = []
        for job_id in wanted:
            outcome, status = "not_found", None
            if job_id in present:
                try:
                    if serializer.validated_data["action"] == "cancel":
                        status = job_cancel(job_id=job_id, cancelled_by=user).status
                    else:
                        status = job_retry(job_id=job_id, retried_by=user).status
                    outcome = "done"
                except JobConflict as error:
                    outcome, status = "refused", error.status
            results.append({"job": str(job_id), "outcome": outcome, "status": status})
        return Response({"results": results})
