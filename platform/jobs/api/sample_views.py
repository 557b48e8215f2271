"""The sample study over HTTP: try the platform without a mammogram of one's own, and clear up afterwards."""

from __future__ import annotations

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanSubmit
from accounts.rate_limits import RateLimited
from common.idempotency import answer_commit
from common.problems import Problem
from jobs.api.serializers import AcceptedSerializer, ProblemSerializer
from jobs.api.study_views import REFUSED, TOO_MANY, accepted
from jobs.models import Job
from jobs.samples import sample_submit, samples_remove


class SampleStudyView(RateLimited, APIView):
    """The site's synthetic sample study: one at a time."""

    permission_classes = [CanSubmit]
    idempotency_atomic = False  # files are read; the answer is kept in the submission's own transaction

    @extend_schema(
        operation_id="sample_study_submit",
        summary="Try with a sample study",
        description=(
            "Submits the synthetic four-view study that ships with the platform. It shows no person, is marked `is_sample` "
            "wherever it appears, and is left out of every clinical figure. While the site has one with a result, or on its way "
            "to one, that one is answered with 200."
        ),
        tags=["studies"],
        request=None,
        responses={
            200: AcceptedSerializer,
            202: AcceptedSerializer,
            404: REFUSED,
            409: REFUSED,
            422: REFUSED,
            429: TOO_MANY,
            503: REFUSED,
        },
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        if user.site is None:
            raise Problem.for_status(403)
        answers: list[Response] = []

        def committing(job: Job) -> None:
            answers.append(accepted(request, job))
            answer_commit(request, answers[0])

        job, is_new = sample_submit(user=user, site=user.site, committing=committing)
        return answers[0] if is_new else accepted(request, job, status=200)

    @extend_schema(
        operation_id="sample_study_delete",
        summary="Remove the sample study",
        description="Its jobs, results and pictures go with it; what still runs is cancelled.",
        tags=["studies"],
        responses={204: None, 404: OpenApiResponse(ProblemSerializer, description="The site has no sample study.")},
    )
    def delete(self, request: Request) -> Response:
        user = caller(request)
        if user.site is None or not samples_remove(site=user.site, removed_by=user):
            raise Http404
        return Response(status=204)
