"""Addresses of deployments, from the root."""

from __future__ import annotations

from django.urls import path

from catalog.api import DeploymentListView

urlpatterns = [path("api/v1/deployments", DeploymentListView.as_view(), name="deployments")]
