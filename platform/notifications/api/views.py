"""Webhooks over HTTP, for administrators of a site: set up, change, rotate, test, follow, replay. Parse, call, answer."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanAdminister
from common.conditional import conditional_response, etag_for
from common.idempotency import answer_commit
from common.openapi import PROBLEM_CONFLICT
from common.problems import Problem
from notifications.api import serializers as shapes
from notifications.api.documents import delivery_document, endpoint_document
from notifications.deliveries import delivery_replay, range_replay
from notifications.endpoints import endpoint_create, endpoint_delete, endpoint_test, endpoint_update, secret_rotate
from notifications.event_types import PING, EventType
from notifications.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from notifications.selectors import deliveries_visible_to, endpoints_visible_to

_TAGS = ["webhooks"]
_NOT_FOUND = OpenApiResponse(OpenApiTypes.OBJECT, description="No such webhook or delivery at your site.")
_REFUSED = OpenApiResponse(OpenApiTypes.OBJECT, description="Refused, with a code of the failure catalogue.")


def _endpoint_or_404(request: Request, webhook_id: uuid.UUID) -> WebhookEndpoint:
    endpoint = endpoints_visible_to(user=caller(request)).filter(pk=webhook_id).first()
    if endpoint is None:
        raise Http404
    return endpoint


def _delivery_answer(request: Request, delivery: WebhookDelivery) -> Response:
    row = deliveries_visible_to(user=caller(request)).get(pk=delivery.pk)
    return Response(delivery_document(row), status=202, headers={"Retry-After": "1"})


def _with_secret(request: Request, endpoint: WebhookEndpoint, secret: str, *, status: int) -> Response:
    document = endpoint_document(_endpoint_or_404(request, endpoint.pk))
    headers = {"Location": f"/api/v1/webhooks/{endpoint.pk}", "Cache-Control": "no-store"}
    return Response({**document, "secret": secret}, status=status, headers=headers)


class WebhookListView(APIView):
    """The site's webhooks, oldest first. There are few, so they come at once."""

    permission_classes = [CanAdminister]
    idempotency_atomic = False  # a name is looked up, which may take seconds

    @extend_schema(operation_id="webhooks_list", summary="List webhooks", tags=_TAGS, responses=shapes.WebhooksSerializer)
    def get(self, request: Request) -> Response:
        documents = [endpoint_document(row) for row in endpoints_visible_to(user=caller(request))]
        return conditional_response(request, etag=etag_for("webhooks", documents), build=lambda: {"results": documents})

    @extend_schema(
        operation_id="webhooks_create",
        summary="Set up a webhook",
        tags=_TAGS,
        request=shapes.WebhookCreateSerializer,
        responses={201: shapes.WebhookWithSecretSerializer, 409: PROBLEM_CONFLICT, 422: _REFUSED},
    )
    def post(self, request: Request) -> Response:
        user = caller(request)
        serializer = shapes.WebhookCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if user.site is None:
            raise Problem.for_status(403)
        answers: list[Response] = []

        def committing(endpoint: WebhookEndpoint, secret: str) -> None:
            answers.append(_with_secret(request, endpoint, secret, status=201))
            answer_commit(request, answers[0])

        endpoint_create(site=user.site, created_by=user, committing=committing, **serializer.validated_data)
        return answers[0]


class WebhookDetailView(APIView):
    """One webhook."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="webhooks_retrieve",
        summary="One webhook",
        tags=_TAGS,
        responses={200: shapes.WebhookSerializer, 404: _NOT_FOUND},
    )
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        document = endpoint_document(_endpoint_or_404(request, webhook_id))
        return conditional_response(request, etag=etag_for("webhook", document), build=lambda: document)

    @extend_schema(
        operation_id="webhooks_update",
        summary="Change a webhook",
        tags=_TAGS,
        request=shapes.WebhookUpdateSerializer,
        responses={200: shapes.WebhookSerializer, 404: _NOT_FOUND, 422: _REFUSED},
    )
    def patch(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint = _endpoint_or_404(request, webhook_id)
        serializer = shapes.WebhookUpdateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        endpoint_update(endpoint=endpoint, changes=serializer.validated_data, changed_by=caller(request))
        return Response(endpoint_document(_endpoint_or_404(request, webhook_id)))

    @extend_schema(
        operation_id="webhooks_delete",
        summary="Remove a webhook",
        description="With its deliveries and their log.",
        tags=_TAGS,
        responses={204: None, 404: _NOT_FOUND},
    )
    def delete(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint_delete(endpoint=_endpoint_or_404(request, webhook_id), deleted_by=caller(request))
        return Response(status=204)


class WebhookRotateView(APIView):
    """A new secret; the one before signs too, for a while."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="webhooks_rotate",
        summary="Make a new secret",
        tags=_TAGS,
        request=None,
        responses={200: shapes.WebhookWithSecretSerializer, 404: _NOT_FOUND},
    )
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint, secret = secret_rotate(endpoint=_endpoint_or_404(request, webhook_id), rotated_by=caller(request))
        return _with_secret(request, endpoint, secret, status=200)


class WebhookTestView(APIView):
    """Send a `webhook.ping`."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="webhooks_test",
        summary="Send a test event",
        tags=_TAGS,
        request=None,
        responses={202: shapes.DeliverySerializer, 404: _NOT_FOUND, 409: PROBLEM_CONFLICT},
    )
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint = _endpoint_or_404(request, webhook_id)
        return _delivery_answer(request, endpoint_test(endpoint=endpoint, tested_by=caller(request)))


class DeliveryFilter(filters.FilterSet):
    """`state` may be repeated."""

    state = filters.MultipleChoiceFilter(choices=DeliveryState.choices)
    event_type = filters.ChoiceFilter(field_name="event__type", choices=[*EventType.choices, (PING, PING)])


class WebhookDeliveriesView(GenericAPIView):
    """What was sent to a webhook and what came back, newest first."""

    permission_classes = [CanAdminister]
    serializer_class = shapes.DeliverySerializer
    filterset_class = DeliveryFilter
    queryset = WebhookDelivery.objects.none()  # the schema's; what is answered comes from the selector

    @extend_schema(
        operation_id="webhooks_deliveries",
        summary="The delivery log",
        tags=_TAGS,
        responses={200: shapes.DeliverySerializer(many=True), 404: _NOT_FOUND},
    )
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint = _endpoint_or_404(request, webhook_id)
        rows = self.filter_queryset(deliveries_visible_to(user=caller(request)).filter(endpoint=endpoint))
        documents = [delivery_document(row) for row in self.paginate_queryset(rows) or []]

        def build() -> Any:
            return self.get_paginated_response(documents).data

        return conditional_response(request, etag=etag_for(request.get_full_path(), documents), build=build)


class WebhookReplayView(APIView):
    """Send a span of time again."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="webhooks_replay",
        summary="Send the events of a span of time again",
        description="Also those that came while the webhook was switched off. What is on its way is left alone.",
        tags=_TAGS,
        request=shapes.ReplaySerializer,
        responses={202: shapes.ReplayedSerializer, 404: _NOT_FOUND, 409: PROBLEM_CONFLICT, 422: _REFUSED},
    )
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        endpoint = _endpoint_or_404(request, webhook_id)
        serializer = shapes.ReplaySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        count = range_replay(endpoint=endpoint, requested_by=caller(request), **serializer.validated_data)
        return Response({"events": count}, status=202)


class DeliveryReplayView(APIView):
    """Send one event to its webhook again."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="webhooks_delivery_replay",
        summary="Send a delivery again",
        tags=_TAGS,
        request=None,
        responses={202: shapes.DeliverySerializer, 404: _NOT_FOUND, 409: PROBLEM_CONFLICT},
    )
    def post(self, request: Request, delivery_id: uuid.UUID) -> Response:
        user = caller(request)
        delivery = deliveries_visible_to(user=user).filter(pk=delivery_id).first()
        if delivery is None:
            raise Http404
        return _delivery_answer(request, delivery_replay(delivery=delivery, requested_by=user))
