"""Addresses of transfers, from the root."""

from __future__ import annotations

from django.urls import path

from transfers import api

urlpatterns = [
    path("api/v1/uploads", api.UploadListView.as_view(), name="uploads"),
    path("api/v1/uploads/<uuid:upload_id>", api.UploadView.as_view(), name="upload-state"),
]
