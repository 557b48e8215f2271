"""What a person keeps of the worklist over HTTP: which results are read, and views under a name. Parse, call, answer."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead
from jobs.api.job_list import REFUSED
from jobs.api.serializers import ProblemSerializer
from jobs.api.worklist_serializers import (
    ReadingAnswerSerializer,
    ReadingSerializer,
    SavedViewChangeSerializer,
    SavedViewSerializer,
    SavedViewsSerializer,
)
from jobs.models import JobStatus, SavedView
from jobs.reading import results_mark, results_read_until
from jobs.saved_views import view_change, view_create, view_delete, views_of
from jobs.selectors import jobs_reachable_by

_NO_VIEW = OpenApiResponse(ProblemSerializer, description="You have no such view.")
_TAKEN = OpenApiResponse(ProblemSerializer, description="input:view_name_taken, or input:too_many_views.")
_NO_STORE = {"Cache-Control": "private, no-store"}


class ReadingView(APIView):
    """Marks results as read, or as unread again, for the caller alone. Asking twice changes nothing more."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="jobs_mark_read",
        summary="Mark results as read or unread",
        tags=["jobs"],
        request=ReadingSerializer,
        responses={200: ReadingAnswerSerializer, 400: REFUSED},
    )
    def put(self, request: Request) -> Response:
        user = caller(request)
        serializer = ReadingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        marked: list[uuid.UUID] = []
        if "until" in given:
            results_read_until(user=user, until=given["until"])
        else:
            finished = jobs_reachable_by(user=user).filter(pk__in=set(given["jobs"]), status=JobStatus.SUCCEEDED)
            marked = list(finished.order_by().values_list("pk", flat=True))
            results_mark(user=user, job_ids=marked, is_read=given["read"])
        return Response({"marked": [str(pk) for pk in marked], "read_until": user.results_read_until}, headers=_NO_STORE)


def view_document(view: SavedView) -> dict[str, Any]:
    return {"id": str(view.pk), "name": view.name, "query": view.query, "is_default": view.is_default}


class SavedViewListView(APIView):
    """The caller's saved views of the worklist, in the order they were made."""

    permission_classes = [CanRead]

    @extend_schema(operation_id="views_list", summary="List saved views", tags=["jobs"], responses=SavedViewsSerializer)
    def get(self, request: Request) -> Response:
        return Response({"results": [view_document(view) for view in views_of(user=caller(request))]}, headers=_NO_STORE)

    @extend_schema(
        operation_id="views_create",
        summary="Save a view",
        tags=["jobs"],
        request=SavedViewSerializer,
        responses={201: SavedViewSerializer, 400: REFUSED, 409: _TAKEN},
    )
    def post(self, request: Request) -> Response:
        serializer = SavedViewSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        view = view_create(user=caller(request), **serializer.validated_data)
        return Response(view_document(view), status=201, headers=_NO_STORE)


class SavedViewDetailView(APIView):
    """One of the caller's saved views."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="views_change",
        summary="Change a saved view",
        description="What is left out stays. With is_default true, the one that was the default is it no more.",
        tags=["jobs"],
        request=SavedViewChangeSerializer,
        responses={200: SavedViewSerializer, 400: REFUSED, 404: _NO_VIEW, 409: _TAKEN},
    )
    def patch(self, request: Request, view_id: uuid.UUID) -> Response:
        serializer = SavedViewChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        view = view_change(user=caller(request), view_id=view_id, **serializer.validated_data)
        if view is None:
            raise Http404
        return Response(view_document(view), headers=_NO_STORE)

    @extend_schema(
        operation_id="views_delete",
        summary="Delete a saved view",
        tags=["jobs"],
        request=None,
        responses={204: None, 404: _NO_VIEW},
    )
    def delete(self, request: Request, view_id: uuid.UUID) -> Response:
        if not view_delete(user=caller(request), view_id=view_id):
            raise Http404
        return Response(status=204)
