"""Packages and ONNX files sent over HTTP. Parse, call, answer: what a file must be is catalog.uploads' concern."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from catalog.api import package_serializers as shapes
from catalog.api.documents import upload_document
from catalog.models import UploadState
from catalog.selectors import uploads_listed
from catalog.uploads import archive_upload, onnx_upload
from common.conditional import conditional_response, etag_for
from common.problems import Problem
from common.uploads import UploadCaps, files_welcome
from inference_worker.contract.failures import CodedError, Responsibility
from model_registry.packaging.named_profiles import profile_named, profile_names

_TAGS = ["packages"]
_REFUSED = OpenApiResponse(OpenApiTypes.OBJECT, description="Refused, with a code of the failure catalogue.")
_LISTED = 100
#: Of the form and of what multipart puts around the file.
_AROUND_BYTES = 1024 * 1024


class UploadsView(APIView):
    """Send a package or an ONNX file, or list what was sent."""

    permission_classes = [CanAdminister]
    parser_classes = [MultiPartParser]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        size = settings.PACKAGE_UPLOAD_MAX_BYTES
        # A caller who may not is refused before the body is read.
        files_welcome(request, UploadCaps(file_bytes=size, request_bytes=size + _AROUND_BYTES, files=1, what="One upload"))
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(operation_id="package_uploads_list", summary="List uploads", tags=_TAGS, responses=shapes.UploadsSerializer)
    def get(self, request: Request) -> Response:
        documents = [upload_document(row) for row in uploads_listed()[:_LISTED]]
        return conditional_response(request, etag=etag_for("uploads", documents), build=lambda: {"results": documents})

    @extend_schema(
        operation_id="package_uploads_create",
        summary="Send a package or an ONNX file",
        tags=_TAGS,
        request={"multipart/form-data": shapes.UploadRequestSerializer},
        responses={
            201: OpenApiResponse(shapes.PackageUploadSerializer, description="Installed; its validation is under way."),
            202: OpenApiResponse(shapes.PackageUploadSerializer, description="An inference worker builds the package."),
            400: _REFUSED,
            413: _REFUSED,
            422: _REFUSED,
        },
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        fields = shapes.UploadRequestSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        given = fields.validated_data
        path = Path(_temporary(given["file"]).temporary_file_path())
        try:
            if given["kind"] == "onnx":
                upload = onnx_upload(path=path, form=_form(given.get("form", "")), uploaded_by=user)
            else:
                upload = archive_upload(path=path, uploaded_by=user)
        except CodedError as error:
            raise _refusal(error) from error
        return Response(
            upload_document(upload),
            status=201 if upload.state == UploadState.INSTALLED else 202,
            headers={"Location": request.build_absolute_uri(f"/api/v1/packages/uploads/{upload.pk}")},
        )


class UploadDetailView(APIView):
    """How far one upload has come."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="package_uploads_retrieve",
        summary="One upload",
        tags=_TAGS,
        responses={200: shapes.PackageUploadSerializer, 404: OpenApiResponse(OpenApiTypes.OBJECT, description="No such upload.")},
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        upload = uploads_listed().filter(pk=upload_id).first()
        if upload is None:
            raise Http404
        document = upload_document(upload)
        return conditional_response(request, etag=etag_for("upload", document), build=lambda: document)


class ProfilesView(APIView):
    """The ways to prepare images that have a name, for the form beside an ONNX file."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="package_profiles_list", summary="Preprocessing profiles", tags=_TAGS, responses=shapes.ProfilesSerializer
    )
    def get(self, request: Request) -> Response:
        documents = [_profile_document(name) for name in profile_names()]
        return conditional_response(request, etag=etag_for("profiles", documents), build=lambda: {"results": documents})


def _profile_document(name: str) -> dict[str, Any]:
    """`title` says in words what the name abbreviates: the size and the channels that a model must take."""
    steps = [step.model_dump(mode="json") for step in profile_named(name).steps]
    sizes = [f"{step['size_hw'][0]} x {step['size_hw'][1]}" for step in steps if "size_hw" in step]
    channels = [step["layout"] for step in steps if step["step"] == "channels"]
    return {
        "name": name,
        "title": f"{name}: {', '.join([*sizes[-1:], *channels[-1:]])}" if sizes or channels else name,
        "steps": [step["step"] for step in steps],
    }


def _temporary(file: Any) -> TemporaryUploadedFile:
    assert isinstance(file, TemporaryUploadedFile), "common.uploads is the only way in for files"
    return file


def _form(text: str) -> dict[str, Any]:
    """The form's fields, checked. Raises ValidationError naming every one that is wrong."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Problem.for_coded_error(
            CodedError("input:invalid_field"),
            errors=[{"field": "form", "code": "invalid", "message": "Send the fields of an ONNX file as JSON in “form”."}],
        )
    serializer = shapes.OnnxFormSerializer(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _refusal(error: CodedError) -> Problem:
    """What is wrong with the file is the sender's to mend, whoever is responsible for a package that is in already."""
    if error.failure.responsibility is Responsibility.MODEL:
        return Problem.for_coded_error(error, status=413 if error.code == "model:too_large" else 422)
    return Problem.for_coded_error(error)
