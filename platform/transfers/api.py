"""Resumable uploads over HTTP: tus 1.0.0 with creation, creation-with-upload, expiration, checksum and termination.

Source: https://tus.io/protocols/resumable-upload. One deviation: HEAD does not repeat Upload-Metadata, because the file's name in
it is not kept. GET with JSON is ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead, CanSubmit
from common import clock
from common.conditional import conditional_response, etag_for
from common.problems import Problem, problem_from
from inference_worker.contract.failures import CodedError
from transfers.documents import UploadSerializer, upload_document, upload_url
from transfers.metadata import CHECKSUM_ALGORITHMS, EXTENSIONS, VERSION, checksum_read, metadata_read, number_read
from transfers.models import ON_DISK, Upload, UploadState
from transfers.receiving import upload_append, upload_create, upload_terminate
from transfers.selectors import uploads_visible_to
from transfers.services import uploads_drop

PIECE_TYPE = "application/offset+octet-stream"
_WHOLE = (UploadState.FINISHED, UploadState.CONSUMED)
_RETRY_AFTER_SECONDS = {"input:too_many_uploads": 5, "input:upload_space_used_up": 60, "input:upload_busy": 2}
#: What ends the first piece and leaves a good upload: its client continues, or it expires.
_KEPT_AT_CREATION = frozenset({"input:upload_interrupted", "input:upload_too_slow"})
_OF_THE_PROTOCOL = frozenset({"POST", "HEAD", "PATCH", "DELETE"})
_OVERRIDABLE = frozenset({"PATCH", "DELETE"})


def _refused(what: str) -> OpenApiResponse:
    return OpenApiResponse(OpenApiTypes.OBJECT, description=what)


_TUS_HEADER = OpenApiParameter("Tus-Resumable", str, OpenApiParameter.HEADER, required=True, enum=[VERSION])
_CHECKSUM_HEADER = OpenApiParameter(
    "Upload-Checksum",
    str,
    OpenApiParameter.HEADER,
    description="Of this piece: `sha256` or `sha1`, a space, the digest in base64.",
)
_UNKNOWN = _refused("No such upload at your site.")
_GONE = _refused("The upload has expired, was refused, or was ended.")
_VERSION_WRONG = _refused("Tus-Resumable is missing or names another version.")
_LIMITED = _refused("Too many uploads, requests that send, or bytes of your site: wait as long as Retry-After says.")
_FULL = _refused("No room on the server's disk.")


class TusView(APIView):
    """What every answer of the protocol has in common."""

    idempotency_exempt = True  # a piece is repeated by the protocol itself

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # who is calling comes first
        spoken = request.method in _OF_THE_PROTOCOL and hasattr(self, request.method.lower())
        if spoken and request.headers.get("Tus-Resumable") != VERSION:
            raise Problem.for_status(
                412,
                code="request:tus_version",
                detail="The request is not of the version of the tus protocol that is spoken here.",
                action=f"Send “Tus-Resumable: {VERSION}”.",
                headers={"Tus-Version": VERSION},
            )

    def get_permissions(self) -> list[BasePermission]:
        return [CanRead()] if self.request.method in ("GET", "HEAD", "OPTIONS") else [CanSubmit()]

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """What is offered here."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(max(settings.UPLOAD_MAX_ARCHIVE_BYTES, settings.INTAKE_MAX_FILE_BYTES)),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
        }
        return Response(status=204, headers=headers)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        problem = problem_from(exc)
        if problem is not None and problem.code in _RETRY_AFTER_SECONDS:
            response.setdefault("Retry-After", str(_RETRY_AFTER_SECONDS[problem.code]))
        return response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished["Tus-Resumable"] = VERSION
        finished.setdefault("Cache-Control", "no-store")
        return finished


class UploadFilter(filters.FilterSet):
    """`state` may be repeated."""

    state = filters.MultipleChoiceFilter(choices=UploadState.choices)
    batch = filters.UUIDFilter(field_name="batch_id")
    custom_id = filters.CharFilter(field_name="custom_id", max_length=128)


class UploadListView(TusView, GenericAPIView):
    """Create an upload, or list the site's uploads, newest first."""

    serializer_class = UploadSerializer
    filterset_class = UploadFilter
    queryset = Upload.objects.none()  # the schema's; what is answered comes from the selector

    @extend_schema(operation_id="uploads_list", summary="List uploads", tags=["uploads"], responses=UploadSerializer(many=True))
    def get(self, request: Request) -> Response:
        uploads: list[Upload] = self.paginate_queryset(self.filter_queryset(uploads_visible_to(user=caller(request)))) or []
        etag = etag_for(
            request.get_full_path(), *[(upload.pk, upload.state, upload.offset, upload.expires_at) for upload in uploads]
        )

        def build() -> Any:
            return self.get_paginated_response([upload_document(upload) for upload in uploads]).data

        return conditional_response(request, etag=etag, build=build)

    @extend_schema(
        operation_id="uploads_create",
        summary="Create an upload",
        description=(
            "tus 1.0.0: any tus client works. Keys of Upload-Metadata: `filename` (read for laterality and view, never kept), "
            "`filetype`, `sha256` (of the whole file in hexadecimal digits, verified at the end), `kind` (`file` or `archive`), "
            "`batch` (its id), `custom_id`. With a body of type application/offset+octet-stream the first bytes come along."
        ),
        tags=["uploads"],
        parameters=[
            _TUS_HEADER,
            OpenApiParameter(
                "Upload-Length", int, OpenApiParameter.HEADER, required=True, description="Bytes of the whole file."
            ),
            OpenApiParameter("Upload-Metadata", str, OpenApiParameter.HEADER, description="Pairs: a key, a space, base64."),
            _CHECKSUM_HEADER,
        ],
        request={PIECE_TYPE: OpenApiTypes.BINARY},
        responses={
            201: OpenApiResponse(UploadSerializer, description="Created; Location names the upload."),
            400: _refused("A header is missing or malformed."),
            412: _VERSION_WRONG,
            413: _refused("Larger than this server accepts."),
            429: _LIMITED,
            460: _refused("The bytes are not those that Upload-Checksum or `sha256` announced."),
            507: _FULL,
        },
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        if user.site is None:
            raise Problem.for_status(403)
        length = number_read(request.headers.get("Upload-Length"), header="Upload-Length")
        announcement = metadata_read(request.headers.get("Upload-Metadata"))
        checksum = checksum_read(request.headers.get("Upload-Checksum"))
        upload = upload_create(site=user.site, user=user, length=length, announcement=announcement)
        location = {"Location": request.build_absolute_uri(upload_url(upload))}
        read, declared = _body(request)
        if length and declared != 0 and _media_type(request) == PIECE_TYPE:
            try:
                upload = upload_append(upload=upload, offset=0, read=read, declared=declared, checksum=checksum)
            except (CodedError, Problem) as error:
                if getattr(error, "code", "") not in _KEPT_AT_CREATION:
                    uploads_drop([upload])  # refused as a whole: the client does not know it
                    raise
                upload.refresh_from_db()
        return Response(upload_document(upload), status=201, headers={**location, **_progress(upload)})


class UploadView(TusView):
    """One upload: how far it is, the next piece, its end."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        override = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and override in _OVERRIDABLE:  # for clients behind proxies that know neither
            request.method = override
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="uploads_retrieve",
        summary="Follow an upload",
        description="HEAD answers as tus 1.0.0 does, with Upload-Offset and Upload-Length.",
        tags=["uploads"],
        responses={200: UploadSerializer, 404: _UNKNOWN},
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        upload = _upload(request, upload_id)
        etag = etag_for("upload", upload.pk, upload.state, upload.offset, upload.expires_at)
        return conditional_response(request, etag=etag, build=lambda: upload_document(upload))

    def head(self, request: Request, upload_id: uuid.UUID) -> Response:
        upload = _living(_upload(request, upload_id))
        return Response(
            status=200, headers={**_progress(upload), "Upload-Length": str(upload.length), "Cache-Control": "no-store"}
        )

    @extend_schema(
        operation_id="uploads_append",
        summary="Send the next piece",
        description=(
            "tus 1.0.0. What arrives before a connection breaks is kept; a piece with Upload-Checksum is kept whole or not "
            "at all."
        ),
        tags=["uploads"],
        parameters=[
            _TUS_HEADER,
            OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True, description="Where the piece begins."),
            _CHECKSUM_HEADER,
        ],
        request={PIECE_TYPE: OpenApiTypes.BINARY},
        responses={
            204: OpenApiResponse(description="Upload-Offset says how far the upload is now."),
            400: _refused("A header is missing or malformed, or the connection ended early."),
            404: _UNKNOWN,
            408: _refused("The bytes came too slowly; what arrived is kept."),
            409: _refused("The piece does not begin where the upload ends."),
            410: _GONE,
            412: _VERSION_WRONG,
            413: _refused("More bytes than the upload was created for."),
            415: _refused(f"A piece is {PIECE_TYPE}."),
            423: _refused("Another request is sending to this upload."),
            429: _LIMITED,
            460: _refused("The bytes are not those that Upload-Checksum or `sha256` announced."),
            507: _FULL,
        },
    )
    def patch(self, request: Request, upload_id: uuid.UUID) -> Response:
        if _media_type(request) != PIECE_TYPE:
            raise Problem.for_status(415, action=f"Send “Content-Type: {PIECE_TYPE}”.")
        offset = number_read(request.headers.get("Upload-Offset"), header="Upload-Offset")
        checksum = checksum_read(request.headers.get("Upload-Checksum"))
        upload = _living(_upload(request, upload_id))
        read, declared = _body(request)
        try:
            upload = upload_append(upload=upload, offset=offset, read=read, declared=declared, checksum=checksum)
        except CodedError as error:
            raise _with_offset(error, upload) from None
        return Response(status=204, headers=_progress(upload))

    @extend_schema(
        operation_id="uploads_terminate",
        summary="End an upload",
        description="Its bytes are removed at once.",
        tags=["uploads"],
        parameters=[_TUS_HEADER],
        responses={
            204: OpenApiResponse(description="Ended."),
            404: _UNKNOWN,
            409: _refused("It has been handed over."),
            410: _GONE,
            412: _VERSION_WRONG,
        },
    )
    def delete(self, request: Request, upload_id: uuid.UUID) -> Response:
        upload_terminate(upload=_upload(request, upload_id))
        return Response(status=204)


def _upload(request: Request, upload_id: uuid.UUID) -> Upload:
    upload = uploads_visible_to(user=caller(request)).select_related("site").filter(pk=upload_id).first()
    if upload is None:
        raise Http404
    return upload


def _living(upload: Upload) -> Upload:
    """The upload, while it can be continued or has been completed. Raises CodedError input:upload_gone."""
    if upload.state not in (*ON_DISK, *_WHOLE) or (upload.state in ON_DISK and upload.expires_at <= clock.now()):
        raise CodedError("input:upload_gone", str(upload.state))
    return upload


def _progress(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.state in ON_DISK:
        headers["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return headers


def _with_offset(error: CodedError, upload: Upload) -> Problem:
    """The refusal, with the offset from which the upload can be continued."""
    problem = Problem.for_coded_error(error)
    upload.refresh_from_db()
    if upload.state == UploadState.RECEIVING:
        problem.headers |= _progress(upload)
    return problem


def _media_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _body(request: Request) -> tuple[Callable[[int], bytes], int | None]:
    """(how to read the request's body, its length, None when it is chunked). Past DRF and Django: they would hold it in memory,
    and know no body without a length."""
    environment = request._request.META
    stream = environment["wsgi.input"]
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    given = environment.get("CONTENT_LENGTH") or ""
    if not given.isdecimal():
        return (read, None) if environment.get("wsgi.input_terminated") else (lambda size: b"", 0)
    left = int(given)

    def read_left(size: int) -> bytes:
        nonlocal left
        data = read(min(size, left)) if left else b""
        left -= len(data)
        return data

    return read_left, left
