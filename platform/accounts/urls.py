"""Addresses of people, tokens, sites and the audit, from the root."""

from __future__ import annotations

from django.urls import path

from accounts import admin_api as api
from accounts import audit_api
from accounts import openapi as openapi  # importing it registers the two schemes

urlpatterns = [
    path("api/v1/session/password", api.OwnPasswordView.as_view(), name="session-password"),
    path("api/v1/users", api.UserListView.as_view(), name="users"),
    path("api/v1/users/<int:user_id>", api.UserDetailView.as_view(), name="user"),
    path("api/v1/users/<int:user_id>/password", api.UserPasswordView.as_view(), name="user-password"),
    path("api/v1/tokens", api.TokenListView.as_view(), name="tokens"),
    path("api/v1/tokens/<uuid:token_id>", api.TokenDetailView.as_view(), name="token"),
    path("api/v1/sites", api.SiteListView.as_view(), name="sites"),
    path("api/v1/sites/<slug:slug>", api.SiteDetailView.as_view(), name="site"),
    path("api/v1/audit", audit_api.AuditListView.as_view(), name="audit"),
    path("api/v1/audit/export", audit_api.AuditExportView.as_view(), name="audit-export"),
]
