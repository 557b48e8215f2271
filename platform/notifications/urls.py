"""Addresses of notifications, from the root."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from notifications.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/webhooks", views.WebhookListView.as_view(), name="webhooks"),
    path("api/v1/webhooks/<uuid:webhook_id>", views.WebhookDetailView.as_view(), name="webhook"),
    path("api/v1/webhooks/<uuid:webhook_id>/rotate", views.WebhookRotateView.as_view(), name="webhook-rotate"),
    path("api/v1/webhooks/<uuid:webhook_id>/test", views.WebhookTestView.as_view(), name="webhook-test"),
    path("api/v1/webhooks/<uuid:webhook_id>/deliveries", views.WebhookDeliveriesView.as_view(), name="webhook-deliveries"),
    path("api/v1/webhooks/<uuid:webhook_id>/replay", views.WebhookReplayView.as_view(), name="webhook-replay"),
    path(
        "api/v1/webhooks/deliveries/<uuid:delivery_id>/replay",
        views.DeliveryReplayView.as_view(),
        name="webhook-delivery-replay",
    ),
]
