"""Studies over HTTP: submit, list, one study. What a file must be is studies.intake's concern."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead, CanSubmit
from accounts.rate_limits import RateLimited
from common.conditional import conditional_response, etag_for
from common.idempotency import answer_commit
from common.parsers import CappedJSONParser
from common.problems import Problem
from inference_worker.contract.failures import CodedError
from jobs.api.documents import image_document, job_url, study_document
from jobs.api.serializers import (
    AcceptedSerializer,
    ProblemSerializer,
    StudyDetailSerializer,
    StudySerializer,
    SubmissionSerializer,
    UploadedSubmissionSerializer,
)
from jobs.api.views import NOT_FOUND, retry_after
from jobs.models import Job
from jobs.selectors import eta_seconds, latest_jobs, queue_positions
from jobs.submission import study_submit, study_submit_uploads
from studies.models import Study
from studies.selectors import studies_visible_to
from studies.uploads import files_welcome

REFUSED = OpenApiResponse(ProblemSerializer, description="Refused, with a code of the failure catalogue.")

TOO_MANY = OpenApiResponse(
    ProblemSerializer, description="Too often, or over a quota of your site. Retry-After says when to try again."
)


class StudyFilter(filters.FilterSet):
    """Your own reference, exactly."""

    external_id = filters.CharFilter(field_name="external_id", max_length=128)


class StudyListView(RateLimited, GenericAPIView):
    """Submit a study, or list the site's studies, newest first."""

    parser_classes = [MultiPartParser, CappedJSONParser]
    serializer_class = StudySerializer
    filterset_class = StudyFilter
    queryset = Study.objects.none()  # the schema's; what is answered comes from the selector

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        files_welcome(request)  # an anonymous caller is refused before the body is read
        return super().dispatch(request, *args, **kwargs)

    def get_permissions(self) -> list[BasePermission]:
        return [CanSubmit()] if self.request.method == "POST" else [CanRead()]

    @extend_schema(operation_id="studies_list", summary="List studies", tags=["studies"], responses=StudySerializer(many=True))
    def get(self, request: Request) -> Response:
        studies: list[Any] = self.paginate_queryset(self.filter_queryset(studies_visible_to(user=caller(request)))) or []
        jobs = latest_jobs(studies=studies)
        etag = etag_for(request.get_full_path(), *[(study.pk, _state(jobs.get(study.pk))) for study in studies])
        return conditional_response(
            request,
            etag=etag,
            build=lambda: (
                self.get_paginated_response(
                    [study_document(study, latest_job=jobs.get(study.pk), image_count=study.image_count) for study in studies]
                ).data
            ),
        )

    @extend_schema(
        operation_id="studies_submit",
        summary="Submit a study",
        tags=["studies"],
        request={"multipart/form-data": SubmissionSerializer, "application/json": UploadedSubmissionSerializer},
        responses={
            202: AcceptedSerializer,
            400: REFUSED,
            404: REFUSED,
            409: REFUSED,
            410: REFUSED,
            413: REFUSED,
            422: REFUSED,
            429: TOO_MANY,
        },
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        is_form = isinstance(request.data, QueryDict)
        # The lists are repeated form fields, which a QueryDict gives only when asked for each.
        fields = SubmissionSerializer(data=_submission(request)) if is_form else UploadedSubmissionSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        if user.site is None:
            raise Problem.for_status(403)
        answers: list[Response] = []

        def committing(job: Job) -> None:
            answers.append(accepted(request, job))
            answer_commit(request, answers[0])

        common: dict[str, Any] = {
            "user": user,
            "site": user.site,
            "image_lateralities": given.get("image_laterality", []),
            "view_positions": given.get("view_position", []),
            "deployment_name": given.get("deployment", ""),
            "priority": given["priority"],
            "external_id": given.get("external_id", ""),
            "committing": committing,
        }
        if is_form:
            study_submit(files=request.FILES.getlist("files"), **common)
        else:
            study_submit_uploads(upload_ids=given["uploads"], **common)
        return answers[0]


def accepted(request: Request, job: Job, *, status: int = 202) -> Response:
    """The study's id, its job, and when to look."""
    eta = eta_seconds(job=job, queue_position=queue_positions(jobs=[job]).get(job.pk))
    return Response(
        {"id": str(job.study_id), "job": {"id": str(job.pk), "url": job_url(job.pk)}},
        status=status,
        headers={"Location": request.build_absolute_uri(job_url(job.pk)), **retry_after(job, eta)},
    )


def _submission(request: Request) -> dict[str, Any]:
    """The form's fields as SubmissionSerializer takes them. Files stay where they are."""
    unknown = sorted(set(request.FILES) - {"files"})
    if unknown:
        raise Problem.for_coded_error(
            CodedError("input:invalid_field"),
            errors=[{"field": name[:40], "code": "unknown", "message": "Files go into the field “files”."} for name in unknown],
        )
    form: QueryDict = cast(QueryDict, request.data)
    fields: dict[str, Any] = {name: form[name] for name in ("external_id", "priority", "deployment") if name in form}
    for name in ("image_laterality", "view_position"):
        if name in form:
            fields[name] = form.getlist(name)
    return fields


class StudyDetailView(APIView):
    """One study with its images."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="studies_retrieve",
        summary="One study",
        tags=["studies"],
        responses={200: StudyDetailSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, study_id: uuid.UUID) -> Response:
        study = studies_visible_to(user=caller(request)).filter(pk=study_id).first()
        if study is None:
            raise Http404
        job = latest_jobs(studies=[study]).get(study.pk)

        def build() -> Any:
            images = [image_document(image) for image in study.images.select_related("stored_object").order_by("position")]
            return {**study_document(study, latest_job=job, image_count=len(images)), "images": images}

        return conditional_response(request, etag=etag_for("study", study.pk, _state(job)), build=build)


def _state(job: Job | None) -> tuple[Any, ...]:
    """What the ETag of a study depends on: nothing else of it ever changes."""
    return () if job is None else (job.pk, job.revision)
