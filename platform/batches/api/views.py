"""Batches over HTTP: make, fill, close, follow, cancel, retry. Parse, call, answer; another site's batch is 404."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead, CanSubmit
from accounts.rate_limits import RateLimited
from batches.api.documents import batch_document, batch_has_ended, batch_url, item_document
from batches.api.serializers import (
    BatchItemSerializer,
    BatchSerializer,
    ManifestPartSerializer,
    ManifestSerializer,
    RetrySerializer,
)
from batches.manifest import ManifestRefusal
from batches.models import Batch, BatchItem
from batches.selectors import batches_visible_to, items_of, items_with_failure
from batches.services import BatchConflict, batch_append, batch_cancel, batch_close, batch_create, batch_retry
from batches.states import BatchState, ItemStatus
from common.conditional import conditional_response, etag_for
from common.pagination import PositionPagination
from common.parsers import LargeJSONParser
from common.problems import Problem
from jobs.api.serializers import ProblemSerializer
from jobs.api.study_views import TOO_MANY

NOT_FOUND = OpenApiResponse(ProblemSerializer, description="No such object at your site.")
REFUSED = OpenApiResponse(
    ProblemSerializer, description="Refused as a whole; “errors” names everything that is wrong, with its index."
)
TOO_LARGE = OpenApiResponse(ProblemSerializer, description="More items (input:too_many_items) or bytes than this server accepts.")
CONFLICT = OpenApiResponse(ProblemSerializer, description="The state does not allow it.")
_RETRY_AFTER_UNKNOWN_SECONDS = 2
_RETRY_AFTER_MAXIMUM_SECONDS = 30
_CONFLICTS = {
    "batch:not_open": (
        "Not open",
        "Items can be added, and a batch started, while it is open.",
        "Make a new batch for more items.",
    ),
    "batch:not_cancellable": ("Not cancellable", "The batch has ended.", "Nothing needs to be done."),
    "batch:nothing_to_retry": (
        "Nothing to retry",
        "The batch has no item in these statuses that can be tried again now.",
        "Look at request_counts; while a batch is being cancelled, wait until it has ended.",
    ),
    "quarantine:not_held": ("Not held", "The item is not in quarantine any more.", "Look at its batch for what became of it."),
}


class ManifestParser(LargeJSONParser):
    """JSON of at most BATCH_MANIFEST_MAX_BYTES."""

    def maximum_bytes(self) -> int:
        return settings.BATCH_MANIFEST_MAX_BYTES


def batch_or_404(request: Request, batch_id: uuid.UUID) -> Batch:
    batch = batches_visible_to(user=caller(request)).filter(pk=batch_id).first()
    if batch is None:
        raise Http404
    return batch


def retry_after(batch: Batch) -> dict[str, str]:
    """Retry-After while there is something to wait for: a tenth of what is left, 1 to 30 s."""
    if batch_has_ended(batch):
        return {}
    seconds = _RETRY_AFTER_UNKNOWN_SECONDS if batch.eta_seconds is None else batch.eta_seconds // 10
    return {"Retry-After": str(max(1, min(_RETRY_AFTER_MAXIMUM_SECONDS, seconds)))}


def _conflict(error: BatchConflict) -> Problem:
    title, detail, action = _CONFLICTS[error.code]
    return Problem(status=409, code=error.code, title=title, detail=f"{detail} It is “{error.state}”.", action=action)


def _refusal(error: ManifestRefusal) -> Problem:
    """A refused manifest; what did not fit into the list of errors is counted."""
    problem = Problem.for_coded_error(error, errors=error.errors)
    if error.omitted:
        problem.errors.append({"field": "", "code": "omitted", "message": f"{error.omitted} more errors are not listed."})
    return problem


@contextmanager
def refusals() -> Iterator[None]:
    """What a manifest or a state does not allow is answered as the problem that it is."""
    try:
        yield
    except ManifestRefusal as error:
        raise _refusal(error) from error
    except BatchConflict as error:
        raise _conflict(error) from error


def accepted(request: Request, batch_id: uuid.UUID) -> Response:
    """The batch as it is now, after a change."""
    batch = batch_or_404(request, batch_id)
    headers = {"Location": request.build_absolute_uri(batch_url(batch.pk)), **retry_after(batch)}
    return Response(batch_document(batch), status=202, headers=headers)


class BatchFilter(filters.FilterSet):
    """`state` may be repeated; `search` finds a part of the name."""

    state = filters.MultipleChoiceFilter(choices=BatchState.choices)
    search = filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=100)


class BatchListView(RateLimited, GenericAPIView):
    """Make a batch, or list the site's batches, newest first."""

    parser_classes = [ManifestParser]
    serializer_class = BatchSerializer
    filterset_class = BatchFilter
    queryset = Batch.objects.none()  # the schema's; what is answered comes from the selector

    def get_permissions(self) -> list[BasePermission]:
        return [CanSubmit()] if self.request.method == "POST" else [CanRead()]

    @extend_schema(operation_id="batches_list", summary="List batches", tags=["batches"], responses=BatchSerializer(many=True))
    def get(self, request: Request) -> Response:
        batches: list[Batch] = self.paginate_queryset(self.filter_queryset(batches_visible_to(user=caller(request)))) or []
        etag = etag_for(request.get_full_path(), *[_state(batch) for batch in batches])
        return conditional_response(
            request,
            etag=etag,
            build=lambda: self.get_paginated_response([batch_document(batch) for batch in batches]).data,
        )

    @extend_schema(
        operation_id="batches_create",
        summary="Make a batch",
        tags=["batches"],
        request=ManifestSerializer,
        responses={202: BatchSerializer, 400: REFUSED, 413: TOO_LARGE, 429: TOO_MANY},
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        if user.site is None:
            raise Problem.for_status(403)
        with refusals():
            batch = batch_create(user=user, site=user.site, data=request.data)
        return accepted(request, batch.pk)


class BatchDetailView(APIView):
    """One batch: poll it with If-None-Match and as often as Retry-After says."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="batches_retrieve",
        summary="Follow a batch",
        tags=["batches"],
        responses={200: BatchSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch = batch_or_404(request, batch_id)
        return conditional_response(
            request, etag=etag_for(*_state(batch)), build=lambda: batch_document(batch), headers=retry_after(batch)
        )


def _state(batch: Batch) -> tuple[Any, ...]:
    """What a batch's document depends on."""
    sources = [(source.position, source.state) for source in batch.sources.all()]
    return (batch.pk, batch.revision, batch.queue_position, batch.eta_seconds, batch.expires_at, sources)


class ItemFilter(filters.FilterSet):
    """`status` may be repeated; `custom_id` and `failure_code` match exactly."""

    status = filters.MultipleChoiceFilter(choices=ItemStatus.choices)
    custom_id = filters.CharFilter(max_length=64)
    failure_code = filters.CharFilter(method="with_failure", max_length=64)

    def with_failure(self, items: QuerySet[BatchItem], name: str, value: str) -> QuerySet[BatchItem]:
        return items_with_failure(items, value)


class BatchItemsView(RateLimited, GenericAPIView):
    """Items of a batch, in the order of its manifest; more of them while it is open."""

    parser_classes = [ManifestParser]
    serializer_class = BatchItemSerializer
    filterset_class = ItemFilter
    pagination_class = PositionPagination
    queryset = BatchItem.objects.none()  # the schema's; what is answered comes from the selector

    def get_permissions(self) -> list[BasePermission]:
        return [CanSubmit()] if self.request.method == "POST" else [CanRead()]

    @extend_schema(
        operation_id="batches_items",
        summary="A batch's items",
        tags=["batches"],
        responses={200: BatchItemSerializer(many=True), 404: NOT_FOUND},
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch = batch_or_404(request, batch_id)

        def build() -> Any:
            items: list[BatchItem] = self.paginate_queryset(self.filter_queryset(items_of(batch=batch))) or []
            return self.get_paginated_response([item_document(item) for item in items]).data

        return conditional_response(request, etag=etag_for("items", request.get_full_path(), *_state(batch)), build=build)

    @extend_schema(
        operation_id="batches_items_append",
        summary="Add items to an open batch",
        tags=["batches"],
        request=ManifestPartSerializer,
        responses={202: BatchSerializer, 400: REFUSED, 404: NOT_FOUND, 409: CONFLICT, 413: TOO_LARGE, 429: TOO_MANY},
    )
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch_or_404(request, batch_id)
        with refusals():
            batch_append(batch_id=batch_id, data=request.data)
        return accepted(request, batch_id)


class BatchCloseView(APIView):
    """Start an open batch: nothing can be added from then on."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="batches_close",
        summary="Start a batch",
        tags=["batches"],
        request=None,
        responses={202: BatchSerializer, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch_or_404(request, batch_id)
        with refusals():
            batch_close(batch_id=batch_id, closed_by=caller(request))
        return accepted(request, batch_id)


class BatchCancelView(APIView):
    """End what has not ended; results that are there stay."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="batches_cancel",
        summary="Cancel a batch",
        tags=["batches"],
        request=None,
        responses={202: BatchSerializer, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch_or_404(request, batch_id)
        with refusals():
            batch_cancel(batch_id=batch_id, cancelled_by=caller(request))
        return accepted(request, batch_id)


class BatchRetryView(APIView):
    """Queue the failed items again, and the cancelled ones if asked; what succeeded is not repeated."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="batches_retry",
        summary="Retry what failed",
        tags=["batches"],
        request=RetrySerializer,
        responses={202: BatchSerializer, 400: REFUSED, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        batch_or_404(request, batch_id)
        fields = RetrySerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        with refusals():
            batch_retry(batch_id=batch_id, statuses=sorted(set(fields.validated_data["statuses"])), retried_by=caller(request))
        return accepted(request, batch_id)
