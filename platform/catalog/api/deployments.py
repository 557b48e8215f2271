"""Deployments for administrators: what serves, what is asked for, what happened. Parse, call, answer.

An administrator sees and changes the pointers of the own site; those for every site are seen by all administrators and changed
by platform administrators alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller, platform_administrator_required
from accounts.models import Site, User
from accounts.permissions import CanAdminister
from catalog.api import serializers as shapes
from catalog.api.documents import change_document, deployment_document, request_document
from catalog.history import history_csv
from catalog.models import Deployment, DeploymentRequest, ModelPackage, RequestKind, RequestState
from catalog.requests import deployment_request, request_approve, request_reject, request_withdraw
from catalog.selectors import (
    administered_deployments,
    changes_visible_to,
    deployment_extras,
    requests_visible_to,
)
from common.conditional import conditional_response, etag_for
from common.openapi import PROBLEM_CONFLICT
from common.queries import choice_asked, text_asked
from inference_worker.contract.failures import CodedError

_SCOPE = OpenApiParameter("scope", str, enum=["site", "all"], description="The site's own pointer, or the one for every site.")
_OUTCOMES = {
    200: shapes.RequestOutcomeSerializer,
    202: OpenApiResponse(shapes.RequestOutcomeSerializer, description="Waits for a second person or for its moment."),
    409: PROBLEM_CONFLICT,
    422: OpenApiResponse(OpenApiTypes.OBJECT, description="Refused, with a code of the failure catalogue."),
}
_DECIDED = {200: shapes.RequestOutcomeSerializer, 409: PROBLEM_CONFLICT}
_TAGS = ["deployments"]


def _scope_site(user: User, scope: str) -> Site | None:
    """The site a change is about; None for all. Refuses what only a platform administrator may."""
    if scope == "all":
        platform_administrator_required(user)
        return None
    assert user.site is not None
    return user.site


def _package(digest: str) -> ModelPackage:
    package = ModelPackage.objects.filter(pk=digest).first()
    if package is None:
        raise CodedError("input:unknown_package")
    return package


def _document(deployment: Deployment) -> dict[str, Any]:
    extras = deployment_extras(deployment=deployment)
    return deployment_document(deployment, previous=extras.previous, pending=extras.pending, history=extras.history)


def _outcome(request: DeploymentRequest, user: User) -> Response:
    row = administered_deployments(user=user).filter(name=request.deployment_name, site=request.site).first()
    body = {
        "state": request.state,
        "request": request_document(request),
        "deployment": _document(row) if row is not None else None,
    }
    return Response(body, status=200 if request.state == RequestState.APPLIED else 202)


class AdministeredDeploymentsView(APIView):
    """Every pointer that concerns the caller's site."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="deployments_all", summary="Deployments in full", tags=_TAGS, responses=shapes.DeploymentDetailsSerializer
    )
    def get(self, request: Request) -> Response:
        documents = [_document(row) for row in administered_deployments(user=caller(request))]
        return conditional_response(request, etag=etag_for("deployments-all", documents), build=lambda: {"results": documents})


class DeploymentDetailView(APIView):
    """One pointer. Without `scope`, the one a submission of the caller's site would use."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="deployments_retrieve",
        summary="One deployment in full",
        tags=_TAGS,
        parameters=[_SCOPE],
        responses=shapes.DeploymentDetailSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        rows = list(administered_deployments(user=caller(request)).filter(name=name))
        if scope := choice_asked(request, "scope", shapes.SCOPES):
            rows = [row for row in rows if (row.site_id is None) == (scope == "all")]
        if not rows:
            raise Http404
        document = _document(max(rows, key=lambda row: row.site_id is not None))
        return conditional_response(request, etag=etag_for("deployment", document), build=lambda: document)


class _ChangeView(APIView):
    """Base of the views that ask for a change."""

    permission_classes = [CanAdminister]
    shape: type[shapes.ScopedSerializer] = shapes.ScopedSerializer

    def ask(self, request: Request, name: str, kind: RequestKind, **more: Any) -> Response:
        user = caller(request)
        serializer = self.shape(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        site = _scope_site(user, given["scope"])
        if "package" in given:
            more["package"] = _package(given["package"])
        for field in ("apply_at", "rules"):
            if field in given:
                more[field] = given[field]
        if "mode" in given:
            more |= {"candidate_mode": given["mode"], "candidate_share": given["share"]}
        asked = deployment_request(kind=kind, name=name, site=site, requested_by=user, reason=given["reason"], **more)
        return _outcome(asked, user)


class DeploymentActivateView(_ChangeView):
    shape = shapes.ActivateSerializer

    @extend_schema(
        operation_id="deployments_activate",
        summary="Put a package in service",
        tags=_TAGS,
        request=shapes.ActivateSerializer,
        responses=_OUTCOMES,
    )
    def post(self, request: Request, name: str) -> Response:
        return self.ask(request, name, RequestKind.ACTIVATE)


class DeploymentRollbackView(_ChangeView):
    @extend_schema(
        operation_id="deployments_rollback",
        summary="Go back to the package before",
        tags=_TAGS,
        request=shapes.ScopedSerializer,
        responses=_OUTCOMES,
    )
    def post(self, request: Request, name: str) -> Response:
        return self.ask(request, name, RequestKind.ROLLBACK)


class DeploymentCandidateView(_ChangeView):
    delete_takes_body = True  # why it is stopped

    @extend_schema(
        operation_id="deployments_candidate_start",
        summary="Run a candidate beside the package in service",
        tags=_TAGS,
        request=shapes.CandidateStartSerializer,
        responses=_OUTCOMES,
    )
    def post(self, request: Request, name: str) -> Response:
        self.shape = shapes.CandidateStartSerializer
        return self.ask(request, name, RequestKind.CANDIDATE_START)

    @extend_schema(
        operation_id="deployments_candidate_stop",
        summary="Stop the candidate",
        tags=_TAGS,
        request=shapes.ScopedSerializer,
        responses=_OUTCOMES,
    )
    def delete(self, request: Request, name: str) -> Response:
        return self.ask(request, name, RequestKind.CANDIDATE_STOP)


class DeploymentRulesView(_ChangeView):
    shape = shapes.RulesSerializer

    @extend_schema(
        operation_id="deployments_rules",
        summary="When to roll back automatically",
        tags=_TAGS,
        request=shapes.RulesSerializer,
        responses=_OUTCOMES,
    )
    def put(self, request: Request, name: str) -> Response:
        return self.ask(request, name, RequestKind.RULES)


class DeploymentRequestsView(APIView):
    """What was asked for, newest first; at most 200."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="deployment_requests_list",
        summary="Requests of changes",
        tags=_TAGS,
        parameters=[OpenApiParameter("state", str, enum=list(RequestState.values))],
        responses=shapes.RequestsSerializer,
    )
    def get(self, request: Request) -> Response:
        rows = requests_visible_to(user=caller(request))
        if state := choice_asked(request, "state", RequestState.values):
            rows = rows.filter(state=state)
        documents = [request_document(row) for row in rows[:200]]
        return conditional_response(request, etag=etag_for("requests", documents), build=lambda: {"results": documents})


class _DecisionView(APIView):
    """Base of the views that decide a request."""

    permission_classes = [CanAdminister]

    def decide(self, request: Request, request_id: uuid.UUID, decision: Callable[..., DeploymentRequest], by: str) -> Response:
        """`decision` with the caller as its `by`."""
        user = caller(request)
        row = requests_visible_to(user=user).filter(pk=request_id).first()
        if row is None:
            raise Http404
        if row.site_id is None:
            platform_administrator_required(user)
        serializer = shapes.DecisionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        decided = decision(request_id=request_id, reason=serializer.validated_data["reason"], **{by: user})
        answer = _outcome(decided, user)
        answer.status_code = 200
        return answer


class DeploymentApproveView(_DecisionView):
    @extend_schema(
        operation_id="deployment_requests_approve",
        summary="Approve a request",
        tags=_TAGS,
        request=shapes.DecisionSerializer,
        responses=_DECIDED,
    )
    def post(self, request: Request, request_id: uuid.UUID) -> Response:
        return self.decide(request, request_id, request_approve, "approved_by")


class DeploymentRejectView(_DecisionView):
    @extend_schema(
        operation_id="deployment_requests_reject",
        summary="Reject a request",
        tags=_TAGS,
        request=shapes.DecisionSerializer,
        responses=_DECIDED,
    )
    def post(self, request: Request, request_id: uuid.UUID) -> Response:
        return self.decide(request, request_id, request_reject, "rejected_by")


class DeploymentWithdrawView(_DecisionView):
    @extend_schema(
        operation_id="deployment_requests_withdraw",
        summary="Withdraw a request",
        tags=_TAGS,
        request=shapes.DecisionSerializer,
        responses=_DECIDED,
    )
    def post(self, request: Request, request_id: uuid.UUID) -> Response:
        return self.decide(request, request_id, request_withdraw, "withdrawn_by")


class DeploymentHistoryView(APIView):
    """Every change of every pointer that concerns the caller's site, oldest first: the whole chain, for an auditor."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="deployments_history",
        summary="The promotion history",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("name", str, description="One deployment only."),
            OpenApiParameter("as", str, enum=["json", "csv"], description="csv: a file to keep."),
        ],
        responses={(200, "application/json"): shapes.HistorySerializer, (200, "text/csv"): str},
    )
    def get(self, request: Request) -> Response | StreamingHttpResponse:
        rows = changes_visible_to(user=caller(request))
        if name := text_asked(request, "name"):
            rows = rows.filter(deployment__name=name)
        if choice_asked(request, "as", ["json", "csv"]) == "csv":
            answer = StreamingHttpResponse(history_csv(rows.iterator(500)), content_type="text/csv; charset=utf-8")
            answer["Content-Disposition"] = 'attachment; filename="deployment-history.csv"'
            return answer
        last = rows.order_by("-id").values_list("pk", flat=True).first()
        return conditional_response(
            request,
            etag=etag_for("history", name, last),
            build=lambda: {"results": [change_document(row) for row in rows.iterator(500)]},
        )
