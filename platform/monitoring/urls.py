"""Addresses of monitoring, from the root."""

from __future__ import annotations

from django.urls import path

from monitoring.api import operations_views, views

urlpatterns = [
    path("metrics", views.metrics, name="metrics"),
    path("api/v1/operations", operations_views.OperationsView.as_view(), name="operations"),
    path("api/v1/monitoring/alerts", views.AlertListView.as_view(), name="alerts"),
    path("api/v1/monitoring/alerts/<int:alert_id>/acknowledge", views.AlertAcknowledgeView.as_view(), name="alert-acknowledge"),
    path("api/v1/monitoring/deployments/<slug:name>", views.DeploymentMonitoringView.as_view(), name="monitoring"),
]
