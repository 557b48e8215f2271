"""What a reader asks for beside a result: other studies of the same patient, the file behind a view, the card of the package."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead
from catalog.package_files import package_card
from common.conditional import conditional_response, etag_for, etag_matches
from common.negotiation import AnyAccept
from common.object_store import object_store
from jobs.api.documents import study_document
from jobs.api.serializers import CardSerializer, PriorsSerializer
from jobs.api.views import NOT_FOUND, job_or_404
from jobs.models import Job
from jobs.selectors import latest_jobs
from studies.models import Image
from studies.selectors import studies_of_same_patient, studies_visible_to

#: A woman screened every year fills half of it in ten; whoever has more is asked for through the list of studies.
_PRIORS_MAXIMUM = 20
_SUFFIXES = {"application/dicom": "dcm", "image/png": "png", "image/jpeg": "jpg"}


class StudyPriorsView(APIView):
    """The other studies of the same pseudonymous patient at your site, newest first, at most twenty."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="studies_priors",
        summary="Other studies of the same patient",
        tags=["studies"],
        responses={200: PriorsSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, study_id: uuid.UUID) -> Response:
        user = caller(request)
        study = studies_visible_to(user=user).filter(pk=study_id).first()
        if study is None:
            raise Http404
        others = list(studies_of_same_patient(user=user, study=study)[:_PRIORS_MAXIMUM])
        jobs = latest_jobs(studies=others)
        documents = [study_document(one, latest_job=jobs.get(one.pk), image_count=one.image_count) for one in others]  # type: ignore[attr-defined]  # annotated by studies.selectors
        return conditional_response(request, etag=etag_for("priors", documents), build=lambda: {"results": documents})


class ImageOriginalView(APIView):
    """The file of one view as it is stored: de-identified, otherwise as it was sent."""

    permission_classes = [CanRead]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="studies_image_original",
        summary="The de-identified file of an image",
        tags=["studies"],
        responses={(200, "application/dicom"): OpenApiTypes.BINARY, 404: NOT_FOUND},
    )
    def get(self, request: Request, study_id: uuid.UUID, image_id: uuid.UUID) -> HttpResponseBase:
        studies = studies_visible_to(user=caller(request)).filter(pk=study_id)
        image = Image.objects.filter(pk=image_id, study__in=studies.values("pk")).select_related("stored_object").first()
        if image is None:
            raise Http404
        etag = f'"{image.stored_object.sha256}"'
        response: HttpResponseBase = HttpResponse(status=304) if etag_matches(request, etag) else _file(image)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["Vary"] = "Authorization, Cookie"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response


def _file(image: Image) -> FileResponse:
    stored, store = image.stored_object, object_store()
    view = "-".join(part for part in (image.image_laterality, image.view_position) if part) or f"image-{image.position + 1}"
    return FileResponse(
        store.open(stored.object_key),
        as_attachment=True,
        filename=f"{view}.{_SUFFIXES.get(stored.media_type, 'bin')}",
        content_type=stored.media_type,
        headers={"Content-Length": str(store.size(stored.object_key))},
    )


class JobCardView(APIView):
    """The card and the limits of the package that a job is pinned to, for whoever may read its result."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_card",
        summary="The model card behind a job",
        tags=["jobs"],
        responses={200: CardSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        job = job_or_404(request, job_id)

        def build() -> Any:
            package = Job.objects.select_related("package").get(pk=job.pk).package
            use = package.manifest["intended_use"]
            return {
                "name": package.name,
                "version": package.version,
                "title": package.manifest["title"],
                "digest": package.pk,
                "intended_use": {name: use.get(name) for name in ("statement", "views", "acquisitions", "not_validated")},
                "card": package_card(package=package),
            }

        return conditional_response(request, etag=etag_for("card", job.package_id), build=build)
