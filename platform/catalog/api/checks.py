"""Validation and archiving over HTTP: asked for, followed, read. Parse, call, answer."""

from __future__ import annotations

import uuid

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from catalog.api import package_serializers as shapes
from catalog.api.documents import check_document, package_document
from catalog.api.serializers import PackageSerializer
from catalog.check_orders import validation_request
from catalog.models import CheckKind
from catalog.packages import package_archive, package_unarchive
from catalog.selectors import check_read, package_checks, package_visible_to
from common.conditional import conditional_response, etag_for
from common.openapi import PROBLEM_CONFLICT

_TAGS = ["packages"]
_UNKNOWN = OpenApiResponse(OpenApiTypes.OBJECT, description="No such package (input:unknown_package).")


class CheckDetailView(APIView):
    """One validation or build: how far it has come, and its report once there is one."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="checks_retrieve",
        summary="One validation or build",
        tags=_TAGS,
        responses={200: shapes.CheckSerializer, 404: OpenApiResponse(OpenApiTypes.OBJECT, description="No such check.")},
    )
    def get(self, request: Request, check_id: uuid.UUID) -> Response:
        check = check_read(check_id=check_id)
        if check is None:
            raise Http404
        document = check_document(check)
        return conditional_response(request, etag=etag_for("check", document), build=lambda: document)


class PackageValidateView(APIView):
    """Have an inference worker prove the package, again or for the first time. While one validation is open, it is the answer."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_validate",
        summary="Validate a package",
        tags=_TAGS,
        request=None,
        responses={202: shapes.CheckSerializer, 404: _UNKNOWN},
    )
    def post(self, request: Request, digest: str) -> Response:
        user = caller(request)
        check = validation_request(package=package_visible_to(user=user, digest=digest), requested_by=user)
        return Response(check_document(check), status=202, headers={"Location": f"/api/v1/checks/{check.pk}", "Retry-After": "1"})


class PackageValidationsView(APIView):
    """The latest validations of a package with their reports, newest first."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_validations",
        summary="A package's validations",
        tags=_TAGS,
        responses={200: shapes.ChecksSerializer, 404: _UNKNOWN},
    )
    def get(self, request: Request, digest: str) -> Response:
        package = package_visible_to(user=caller(request), digest=digest)
        documents = [check_document(check) for check in package_checks(package=package) if check.kind == CheckKind.VALIDATE]
        return conditional_response(request, etag=etag_for("validations", documents), build=lambda: {"results": documents})


class PackageArchiveView(APIView):
    """Take a package out of what may be put in service."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_archive",
        summary="Archive a package",
        tags=_TAGS,
        request=shapes.ReasonSerializer,
        responses={200: PackageSerializer, 404: _UNKNOWN, 409: PROBLEM_CONFLICT},
    )
    def post(self, request: Request, digest: str) -> Response:
        user = caller(request)
        package_archive(package=package_visible_to(user=user, digest=digest), archived_by=user, reason=_reason(request))
        return Response(package_document(package_visible_to(user=user, digest=digest)))


class PackageUnarchiveView(APIView):
    """Let an archived package be put in service again."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_unarchive",
        summary="Take a package out of the archive",
        tags=_TAGS,
        request=shapes.ReasonSerializer,
        responses={200: PackageSerializer, 404: _UNKNOWN},
    )
    def post(self, request: Request, digest: str) -> Response:
        user = caller(request)
        package_unarchive(package=package_visible_to(user=user, digest=digest), unarchived_by=user, reason=_reason(request))
        return Response(package_document(package_visible_to(user=user, digest=digest)))


def _reason(request: Request) -> str:
    serializer = shapes.ReasonSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return str(serializer.validated_data["reason"])
