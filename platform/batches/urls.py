"""Addresses of batches and quarantine, from the root."""

from __future__ import annotations

from django.urls import path

from batches.api import quarantine_views, result_views, views

urlpatterns = [
    path("api/v1/batches", views.BatchListView.as_view(), name="batches"),
    path("api/v1/batches/<uuid:batch_id>", views.BatchDetailView.as_view(), name="batch"),
    path("api/v1/batches/<uuid:batch_id>/items", views.BatchItemsView.as_view(), name="batch-items"),
    path("api/v1/batches/<uuid:batch_id>/close", views.BatchCloseView.as_view(), name="batch-close"),
    path("api/v1/batches/<uuid:batch_id>/cancel", views.BatchCancelView.as_view(), name="batch-cancel"),
    path("api/v1/batches/<uuid:batch_id>/retry", views.BatchRetryView.as_view(), name="batch-retry"),
    path("api/v1/batches/<uuid:batch_id>/results", result_views.BatchResultsView.as_view(), name="batch-results"),
    path("api/v1/batches/<uuid:batch_id>/heatmaps", result_views.BatchHeatmapsView.as_view(), name="batch-heatmaps"),
    path("api/v1/quarantine", quarantine_views.QuarantineListView.as_view(), name="quarantine"),
    path("api/v1/quarantine/<uuid:item_id>", quarantine_views.QuarantineDetailView.as_view(), name="quarantined"),
    path("api/v1/quarantine/<uuid:item_id>/release", quarantine_views.QuarantineReleaseView.as_view(), name="quarantine-release"),
    path("api/v1/quarantine/<uuid:item_id>/discard", quarantine_views.QuarantineDiscardView.as_view(), name="quarantine-discard"),
]
