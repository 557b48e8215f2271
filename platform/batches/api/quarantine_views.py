"""Quarantine over HTTP: items kept aside, with code, reason and what to do; released after a fix, or discarded."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead, CanSubmit
from batches.api.documents import quarantine_document
from batches.api.serializers import QuarantineSerializer, ReleaseSerializer
from batches.api.views import CONFLICT, NOT_FOUND, REFUSED, refusals
from batches.models import BatchItem, QuarantineState
from batches.quarantine import item_discard, item_release
from batches.selectors import quarantine_visible_to
from common.conditional import conditional_response, etag_for
from common.pagination import CursorPagination


class NewestKeptPagination(CursorPagination):
    """By the moment they were kept aside, newest first."""

    ordering = ("-quarantined_at", "-id")


class QuarantineFilter(filters.FilterSet):
    """`state` is held unless it is given."""

    batch = filters.UUIDFilter(field_name="batch_id")
    code = filters.CharFilter(field_name="failure_code", max_length=64)
    state = filters.ChoiceFilter(field_name="quarantine", choices=QuarantineState.choices)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.form.cleaned_data.get("state"):
            queryset = queryset.filter(quarantine=QuarantineState.HELD)
        return super().filter_queryset(queryset)


def _item_or_404(request: Request, item_id: uuid.UUID) -> BatchItem:
    item = quarantine_visible_to(user=caller(request)).filter(pk=item_id).first()
    if item is None:
        raise Http404
    return item


def _response(request: Request, item_id: uuid.UUID) -> Response:
    return Response(quarantine_document(_item_or_404(request, item_id)), status=202)


class QuarantineListView(GenericAPIView):
    """Items of the site that were kept aside."""

    permission_classes = [CanRead]
    serializer_class = QuarantineSerializer
    filterset_class = QuarantineFilter
    pagination_class = NewestKeptPagination
    queryset = BatchItem.objects.none()  # the schema's; what is answered comes from the selector

    @extend_schema(
        operation_id="quarantine_list",
        summary="List quarantined items",
        tags=["quarantine"],
        responses=QuarantineSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = self.filter_queryset(quarantine_visible_to(user=caller(request)))
        items: list[BatchItem] = self.paginate_queryset(rows) or []
        etag = etag_for(
            request.get_full_path(), *[(item.pk, item.quarantine, item.status, item.quarantined_at) for item in items]
        )
        return conditional_response(
            request,
            etag=etag,
            build=lambda: self.get_paginated_response([quarantine_document(item) for item in items]).data,
        )


class QuarantineDetailView(APIView):
    """One item that was kept aside."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="quarantine_retrieve",
        summary="One quarantined item",
        tags=["quarantine"],
        responses={200: QuarantineSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, item_id: uuid.UUID) -> Response:
        item = _item_or_404(request, item_id)
        etag = etag_for("quarantine", item.pk, item.quarantine, item.status, item.quarantined_at, item.failure_code)
        return conditional_response(request, etag=etag, build=lambda: quarantine_document(item))


class QuarantineReleaseView(APIView):
    """Try an item again, with what was mended."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="quarantine_release",
        summary="Release after a fix",
        tags=["quarantine"],
        request=ReleaseSerializer,
        responses={202: QuarantineSerializer, 400: REFUSED, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, item_id: uuid.UUID) -> Response:
        _item_or_404(request, item_id)
        with refusals():
            item_release(item_id=item_id, data=request.data, released_by=caller(request))
        return _response(request, item_id)


class QuarantineDiscardView(APIView):
    """Give an item up: it has failed, with the code it was kept aside for."""

    permission_classes = [CanSubmit]

    @extend_schema(
        operation_id="quarantine_discard",
        summary="Discard",
        tags=["quarantine"],
        request=None,
        responses={202: QuarantineSerializer, 404: NOT_FOUND, 409: CONFLICT},
    )
    def post(self, request: Request, item_id: uuid.UUID) -> Response:
        _item_or_404(request, item_id)
        with refusals():
            item_discard(item_id=item_id, discarded_by=caller(request))
        return _response(request, item_id)
