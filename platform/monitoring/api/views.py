"""How deployments do, alerts, and Prometheus metrics over HTTP. Parse, call, answer."""

from __future__ import annotations

import datetime
import hmac
import ipaddress
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import User
from accounts.permissions import CanAdminister
from catalog.selectors import administered_deployments
from common import clock
from common.conditional import conditional_response, etag_for
from common.problems import Problem, problem_response
from common.queries import choice_asked
from monitoring.alerts import alert_acknowledge
from monitoring.api import serializers as shapes
from monitoring.metrics import metrics_text
from monitoring.models import Alert
from monitoring.watch import WINDOWS, deployment_series

_TAGS = ["monitoring"]
_ALERTS_SHOWN = 200
_RESOLVED_SHOWN = datetime.timedelta(days=30)


class DeploymentMonitoringView(APIView):
    """One deployment over a window. Administrators of a site see their own site's jobs; platform administrators see all."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="monitoring_deployment",
        summary="How a deployment does",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("window", str, enum=list(WINDOWS)),
            OpenApiParameter("scope", str, enum=["site", "all"]),
        ],
        responses=shapes.SeriesSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        user = caller(request)
        window = choice_asked(request, "window", list(WINDOWS), default="24h")
        rows = list(administered_deployments(user=user).filter(name=name))
        if scope := choice_asked(request, "scope", ["site", "all"]):
            rows = [row for row in rows if (row.site_id is None) == (scope == "all")]
        if not rows:
            raise Http404
        deployment = max(rows, key=lambda row: row.site_id is not None)
        site = None if user.is_superuser else user.site
        series = deployment_series(deployment=deployment, window=window, site=site)
        still = {name: value for name, value in series.items() if name not in ("from", "to")}
        return conditional_response(request, etag=etag_for("monitoring", still), build=lambda: series)


def _alerts_visible_to(user: User) -> Any:
    """Alerts about the user's site and about what concerns every site."""
    rows = Alert.objects.filter(Q(site=None) | Q(site=user.site)).select_related("site", "acknowledged_by")
    recent = Q(resolved_at=None) | Q(resolved_at__gte=clock.now() - _RESOLVED_SHOWN)
    return rows.filter(recent).order_by("-raised_at", "-id")


class AlertListView(APIView):
    """Alerts that stand, and those of the last month, newest first."""

    permission_classes = [CanAdminister]

    @extend_schema(operation_id="monitoring_alerts", summary="Alerts", tags=_TAGS, responses=shapes.AlertsSerializer)
    def get(self, request: Request) -> Response:
        documents = [_alert_document(alert) for alert in _alerts_visible_to(caller(request))[:_ALERTS_SHOWN]]
        return conditional_response(request, etag=etag_for("alerts", documents), build=lambda: {"results": documents})


class AlertAcknowledgeView(APIView):
    """Say that somebody has seen an alert."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="monitoring_alert_acknowledge",
        summary="Acknowledge an alert",
        tags=_TAGS,
        request=None,
        responses=shapes.AlertSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        user = caller(request)
        alert = _alerts_visible_to(user).filter(pk=alert_id).first()
        if alert is None:
            raise Http404
        return Response(_alert_document(alert_acknowledge(alert=alert, acknowledged_by=user)))


def _alert_document(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "metric": alert.metric,
        "message": alert.message,
        "deployment": alert.deployment_name or None,
        "site": alert.site.slug if alert.site else None,
        "package": alert.package_id,
        "value": alert.value,
        "threshold": alert.threshold,
        "raised_at": alert.raised_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "acknowledged_at": alert.acknowledged_at.isoformat() if alert.acknowledged_at else None,
        "acknowledged_by": alert.acknowledged_by.username if alert.acknowledged_by else None,
    }


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. With METRICS_TOKEN for its bearer alone; without, for callers on this machine that no proxy sent."""
    if not _may_scrape(request):
        return problem_response(request, Problem.for_status(403, action="Send METRICS_TOKEN as a bearer token."))
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _may_scrape(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(given, settings.METRICS_TOKEN.encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False  # a proxy on this machine passes the world on
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False  # a socket without addresses: nothing says who calls
