"""Model packages for administrators: what there is, in full, two beside one another, and their files. Parse, call, answer."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from catalog.api import package_serializers as shapes
from catalog.api.documents import comparison_document, package_detail_document, package_document
from catalog.compare import packages_compare
from catalog.package_files import PackageFile, package_card, package_file, package_zip
from catalog.selectors import package_checks, package_jobs_count, package_visible_to, packages_visible_to
from common.conditional import conditional_response, etag_for, etag_matches
from common.negotiation import AnyAccept
from common.pagination import PageNumberPagination
from common.queries import choice_asked, text_asked

_TAGS = ["packages"]
_STATES = ["deployed", "available", "archived"]
_UNKNOWN = OpenApiResponse(OpenApiTypes.OBJECT, description="No such package (input:unknown_package).")
_BYTES = "application/octet-stream"
#: What a browser may show by itself. Everything else of a package is a file to keep.
_INLINE = {".svg": "image/svg+xml", ".png": "image/png", ".md": "text/markdown; charset=utf-8"}
_FILE_ANSWERS = {(200, kind.partition(";")[0]): OpenApiTypes.BINARY for kind in (*_INLINE.values(), _BYTES)}


class PackageListView(APIView):
    """Installed packages, newest first."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_list",
        summary="List packages",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("state", str, enum=_STATES, description="Left out: all."),
            OpenApiParameter("search", str, description="In name, version, title and digest."),
            OpenApiParameter("page", int, description="1 is the first."),
            OpenApiParameter("page_size", int, description="At most 200."),
        ],
        responses=shapes.PackagesSerializer,
    )
    def get(self, request: Request) -> Response:
        state, search = choice_asked(request, "state", _STATES), text_asked(request, "search")
        rows = packages_visible_to(user=caller(request), state=state, search=search)
        pages = PageNumberPagination()
        documents = [package_document(row) for row in pages.paginate_queryset(rows, request, view=self) or []]
        answer = pages.get_paginated_response(documents).data
        return conditional_response(request, etag=etag_for("packages", answer), build=lambda: answer)


class PackageDetailView(APIView):
    """One package in full: manifest, card, files, checks."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_retrieve",
        summary="One package",
        tags=_TAGS,
        responses={200: shapes.PackageDetailSerializer, 404: _UNKNOWN},
    )
    def get(self, request: Request, digest: str) -> Response:
        package = package_visible_to(user=caller(request), digest=digest)
        document = package_detail_document(
            package,
            card=package_card(package=package),
            checks=package_checks(package=package),
            jobs=package_jobs_count(package=package),
        )
        return conditional_response(request, etag=etag_for("package", document), build=lambda: document)


class PackageCompareView(APIView):
    """Two packages side by side."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="packages_compare",
        summary="Compare two packages",
        tags=_TAGS,
        parameters=[OpenApiParameter(side, str, required=True, description="A digest.") for side in ("left", "right")],
        responses={200: shapes.ComparisonSerializer, 404: _UNKNOWN},
    )
    def get(self, request: Request) -> Response:
        user = caller(request)
        left, right = (package_visible_to(user=user, digest=text_asked(request, side)) for side in ("left", "right"))
        document = comparison_document(packages_compare(left=left, right=right), left=left, right=right)
        return conditional_response(request, etag=etag_for("compare", document), build=lambda: document)


class PackageFileView(APIView):
    """One file of a package. Plots and the card are shown, everything else is a download; nothing in them may run."""

    permission_classes = [CanAdminister]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="packages_file",
        summary="A file of a package",
        tags=_TAGS,
        parameters=[OpenApiParameter("path", str, "path", description="As the manifest lists it.")],
        responses={**_FILE_ANSWERS, 404: _UNKNOWN},
    )
    def get(self, request: Request, digest: str, path: str) -> HttpResponseBase:
        package = package_visible_to(user=caller(request), digest=digest)
        found = package_file(package=package, path=path)
        if found is None:
            raise Http404
        etag = etag_for(package.pk, path, found.sha256 or found.size_bytes).removeprefix("W/")
        response: HttpResponseBase = HttpResponse(status=304) if etag_matches(request, etag) else _file_answer(found)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["Vary"] = "Authorization, Cookie"
        response["X-Content-Type-Options"] = "nosniff"
        # Plots carry their style in the file; a script, a link to another host or a form in one stays dead.
        response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return response


class PackageDownloadView(APIView):
    """The whole package as a zip archive, as it may be uploaded elsewhere."""

    permission_classes = [CanAdminister]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="packages_download",
        summary="Download a package",
        tags=_TAGS,
        responses={(200, "application/zip"): OpenApiTypes.BINARY, 404: _UNKNOWN},
    )
    def get(self, request: Request, digest: str) -> StreamingHttpResponse:
        package = package_visible_to(user=caller(request), digest=digest)
        response = StreamingHttpResponse(package_zip(package=package), content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="{package.name}-{package.version}.zip"'
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response


def _file_answer(found: PackageFile) -> FileResponse:
    name = PurePosixPath(found.path)
    content_type = _INLINE.get(name.suffix)
    return FileResponse(
        found.open(),
        as_attachment=content_type is None,
        filename=name.name,
        content_type=content_type or _BYTES,
        headers={"Content-Length": str(found.size_bytes)},
    )
