"""Results over HTTP: the result document, and the files the worker wrote for it, streamed from the object store."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import Any

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit import audit_record
from accounts.callers import caller
from accounts.permissions import CanRead
from common.conditional import conditional_response, etag_for, etag_matches
from common.negotiation import AnyAccept
from common.object_store import object_store
from common.problems import Problem
from jobs.api.result_document import result_document
from jobs.api.serializers import ProblemSerializer, ResultSerializer
from jobs.api.views import NOT_FOUND, job_or_404
from jobs.models import Job, JobStatus, Result
from jobs.outbox import artifact_prefix
from jobs.results import artifact_names
from studies.models import Image

_CONTENT_TYPES = {".png": "image/png", ".npy": "application/octet-stream", ".json": "application/json"}
_NO_RESULT = OpenApiResponse(ProblemSerializer, description="No such job at your site, or no result yet (job:no_result).")


class JobResultView(APIView):
    """What the job found. 404 with the code job:no_result until it has succeeded."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_result", summary="A job's result", tags=["jobs"], responses={200: ResultSerializer, 404: _NO_RESULT}
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        job = job_or_404(request, job_id)
        if job.status != JobStatus.SUCCEEDED:
            raise Problem(
                status=404,
                code="job:no_result",
                title="No result",
                detail=f"The job is {job.status}; a result exists once it is SUCCEEDED.",
                action="Follow the job until it has ended." if job.finished_at is None else "Look at the job's failure.",
            )

        def build() -> Any:
            user = caller(request)
            if job.site_id != user.site_id:  # of those who see every site alone; the site can see that it was read
                audit_record(actor=user, action="job.read_elsewhere", subject=str(job.pk), site=job.site)
            whole = Job.objects.select_related("study", "package", "result").get(pk=job.pk)
            positions = {str(pk): position for pk, position in _positions(job)}
            return result_document(job=whole, result=whole.result, image_positions=positions)

        return conditional_response(request, etag=etag_for("result-2", job.pk, job.revision), build=build)


def _positions(job: Job) -> Any:
    return Image.objects.filter(study_id=job.study_id).values_list("pk", "position")


class ArtifactView(APIView):
    """A file of the job's result. It never changes, so it may be kept for good by the caller, and by nobody between."""

    permission_classes = [CanRead]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="jobs_artifact",
        summary="A preview, heatmap, overlay, raw map or the full pixels",
        tags=["jobs"],
        responses={(200, "image/png"): OpenApiTypes.BINARY, 404: NOT_FOUND},
    )
    def get(self, request: Request, job_id: uuid.UUID, name: str) -> HttpResponseBase:
        job = job_or_404(request, job_id)
        result = Result.objects.filter(job_id=job.pk).select_related("job").first()
        if result is None:
            raise Http404
        prefix = artifact_prefix(job=result.job, attempt=result.attempt)
        # Only what the result itself names: the address is no way to look around in the object store.
        if name not in artifact_names(payload=result.payload, prefix=prefix):
            raise Http404
        etag = etag_for(prefix, name).removeprefix("W/")
        response: HttpResponseBase
        response = HttpResponse(status=304) if etag_matches(request, etag) else _stream(f"{prefix}/{name}")
        response["ETag"] = etag
        response["Cache-Control"] = "private, max-age=31536000, immutable"
        response["Vary"] = "Authorization, Cookie"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response


def _stream(key: str) -> FileResponse:
    store = object_store()
    suffix = PurePosixPath(key).suffix
    content_type = _CONTENT_TYPES.get(suffix, "application/octet-stream")
    return FileResponse(
        store.open(key),
        as_attachment=suffix != ".png",
        filename=PurePosixPath(key).name,
        content_type=content_type,
        headers={"Content-Length": str(store.size(key))},
    )
