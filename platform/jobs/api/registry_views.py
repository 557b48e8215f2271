"""Jobs as evidence about packages: re-runs, replays, two jobs side by side, a candidate's agreement. For administrators."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import User
from accounts.permissions import CanAdminister
from catalog.models import CandidateMode, ModelPackage
from catalog.selectors import administered_deployments, deployment_resolve
from common.conditional import conditional_response, etag_for
from common.openapi import PROBLEM_CONFLICT
from common.problems import Problem
from common.queries import choice_asked, moment_asked, text_asked
from inference_worker.contract.failures import CodedError, failure_for
from jobs.agreement import agreement_report
from jobs.api import registry_serializers as shapes
from jobs.api.documents import job_document, job_url, moment
from jobs.api.result_document import result_document
from jobs.api.views import NOT_FOUND, conflict, job_or_404
from jobs.hot_swap import package_readiness
from jobs.models import Job, JobPurpose, JobStatus
from jobs.repeats import JobNotReplayable, job_replay, jobs_rerun
from jobs.replay_report import MAP_TOLERANCE, SCORE_TOLERANCE, results_compare
from jobs.selectors import jobs_visible_to
from studies.models import Image

_TAGS = ["registry"]


class JobRerunView(APIView):
    """Run selected jobs again with another package, as new jobs. Asking twice makes no second job."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="jobs_rerun",
        summary="Run jobs again with another package",
        tags=_TAGS,
        request=shapes.RerunSerializer,
        responses={202: shapes.RerunAcceptedSerializer, 404: NOT_FOUND, 409: PROBLEM_CONFLICT},
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        serializer = shapes.RerunSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        wanted = list(dict.fromkeys(given["jobs"]))
        found = {job.pk: job for job in jobs_visible_to(user=user).filter(pk__in=wanted)}
        if missing := [str(key) for key in wanted if key not in found]:
            raise Problem.for_status(404, detail=f"{len(missing)} of the jobs are not at your site, such as {missing[0]}.")
        package = _package(given, user)
        pairs = jobs_rerun(
            jobs=[found[key] for key in wanted],
            package=package,
            requested_by=user,
            reason=given["reason"],
            force=given["force"],
        )
        results = [{"origin": str(origin.pk), "job": str(job.pk), "url": job_url(job.pk)} for origin, job in pairs]
        return Response({"results": results}, status=202)


def _package(given: dict[str, Any], user: User) -> ModelPackage:
    if ("package" in given) == ("deployment" in given):
        raise CodedError("input:invalid_field", "give either package or deployment")
    if "deployment" in given:
        assert user.site is not None
        return deployment_resolve(site=user.site, name=given["deployment"]).package
    package = ModelPackage.objects.filter(pk=given["package"]).first()
    if package is None:
        raise CodedError("input:unknown_package")
    return package


class JobReplayView(APIView):
    """Run a finished job again with its own package, to see whether the answer is the same."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="jobs_replay",
        summary="Replay a job",
        tags=_TAGS,
        request=None,
        responses={202: shapes.RepeatSerializer, 404: NOT_FOUND, 409: PROBLEM_CONFLICT},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        job = job_or_404(request, job_id)
        try:
            replay = job_replay(job=job, requested_by=caller(request))
        except JobNotReplayable as error:
            raise conflict("job:not_replayable", "Not replayable", f"The job is {error.status}.") from error
        return Response({"origin": str(job.pk), "job": str(replay.pk), "url": job_url(replay.pk)}, status=202)


class JobReplaysView(APIView):
    """The replays of a job and what they say, newest first."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="jobs_replays",
        summary="A job's replays",
        tags=_TAGS,
        responses={200: shapes.ReplaysSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        job = Job.objects.select_related("result").get(pk=job_or_404(request, job_id).pk)
        rows = job.repeats.filter(purpose=JobPurpose.REPLAY).select_related("result", "submitted_by").order_by("-created_at")
        replays = list(rows[:50])
        etag = etag_for("replays", job.pk, job.revision, *[(row.pk, row.revision) for row in replays])
        return conditional_response(
            request, etag=etag, build=lambda: {"results": [_replay_document(job, row) for row in replays]}
        )


def _replay_document(job: Job, replay: Job) -> dict[str, Any]:
    verdict, differences = None, []
    left, right = job.result.payload, None
    if replay.status == JobStatus.SUCCEEDED:
        right = replay.result.payload
        differences = results_compare(left, right)
        verdict = "different" if differences else "identical"
    elif replay.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        verdict = "failed"
    return {
        "job": str(replay.pk),
        "status": replay.status,
        "verdict": verdict,
        "tolerance": {"scores": SCORE_TOLERANCE, "maps": MAP_TOLERANCE},
        "differences": [_difference(found) for found in differences],
        "package_digest": replay.package_id,
        "preprocessing_digest": right["preprocessing_digest"] if right else None,
        "provider_left": left["provider"],
        "provider_right": right["provider"] if right else None,
        "requested_by": replay.submitted_by.username if replay.submitted_by else None,
        "created_at": moment(replay.created_at),
    }


def _difference(found: Any) -> dict[str, Any]:
    return {"where": found.where, "left": found.left, "right": found.right, "difference": found.difference}


class JobCompareView(APIView):
    """Two jobs of the site side by side, such as a study under two packages."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="jobs_compare",
        summary="Two jobs side by side",
        tags=_TAGS,
        parameters=[OpenApiParameter("left", uuid.UUID, required=True), OpenApiParameter("right", uuid.UUID, required=True)],
        responses={200: shapes.JobComparisonSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request) -> Response:
        sides = []
        for name in ("left", "right"):
            try:
                key = uuid.UUID(request.query_params.get(name, ""))
            except ValueError:
                raise CodedError("input:invalid_field", f"{name}: the id of a job") from None
            sides.append(job_or_404(request, key))
        left, right = sides
        etag = etag_for("compare", left.pk, left.revision, right.pk, right.revision)

        def build() -> Any:
            documents = [_compared(job) for job in sides]
            both = [job for job in sides if job.status == JobStatus.SUCCEEDED]
            payloads = [Job.objects.select_related("result").get(pk=job.pk).result.payload for job in both]
            differences = results_compare(*payloads) if len(payloads) == 2 and left.study_id == right.study_id else []
            return {
                "left": documents[0],
                "right": documents[1],
                "same_study": left.study_id == right.study_id,
                "differences": [_difference(found) for found in differences],
            }

        return conditional_response(request, etag=etag, build=build)


def _compared(job: Job) -> dict[str, Any]:
    document = job_document(job, queue_position=None, eta_seconds=None)
    if job.status != JobStatus.SUCCEEDED:
        return {"job": document, "result": None}
    whole = Job.objects.select_related("study", "package", "result").get(pk=job.pk)
    positions = {str(pk): place for pk, place in Image.objects.filter(study=job.study_id).values_list("pk", "position")}
    return {"job": document, "result": result_document(job=whole, result=whole.result, image_positions=positions)}


class ReadinessView(APIView):
    """Which live workers have the package loaded and proven, which are at it, and which cannot serve it, with the reason."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_readiness",
        summary="A package's readiness on the workers",
        tags=_TAGS,
        responses={200: shapes.ReadinessSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, digest: str) -> Response:
        if not ModelPackage.objects.filter(pk=digest).exists():
            raise CodedError("input:unknown_package")
        found = package_readiness(digest=digest)
        for worker in found["workers"]:
            worker["message"] = failure_for(worker["code"]).message if worker["code"] else None
        return conditional_response(request, etag=etag_for("readiness", digest, found), build=lambda: found)


class AgreementView(APIView):
    """How the candidate of a deployment agrees with the package in service. `candidate` names one that is no longer running."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="deployments_agreement",
        summary="A candidate's agreement",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("scope", str, enum=["site", "all"]),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="Default: since the candidate started."),
            OpenApiParameter("candidate", str, description="Digest; default: the candidate that runs."),
            OpenApiParameter("mode", str, enum=CandidateMode.values),
        ],
        responses={200: shapes.AgreementSerializer, 404: NOT_FOUND, 409: PROBLEM_CONFLICT},
    )
    def get(self, request: Request, name: str) -> Response:
        user = caller(request)
        scope = choice_asked(request, "scope", ["site", "all"])
        mode = choice_asked(request, "mode", CandidateMode.values)
        digest, since = text_asked(request, "candidate"), moment_asked(request, "since")
        rows = list(administered_deployments(user=user).filter(name=name))
        if scope:
            rows = [row for row in rows if (row.site_id is None) == (scope == "all")]
        if not rows:
            raise Http404
        deployment = max(rows, key=lambda row: row.site_id is not None)
        candidate = ModelPackage.objects.filter(pk=digest).first() if digest else deployment.candidate
        if candidate is None:
            raise CodedError("input:unknown_package" if digest else "input:no_candidate")
        mode = mode or deployment.candidate_mode or "shadow"
        site = None if user.is_superuser else user.site
        report = agreement_report(deployment=deployment, candidate=candidate, mode=mode, since=since, site=site)
        return conditional_response(request, etag=etag_for("agreement", report), build=lambda: report)
