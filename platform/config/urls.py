"""Every address of the platform: the API, its documentation, the pages, and the liveness answer."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api import SessionView
from config import pages


def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers. Whether the platform can work is /readyz's concern."""
    return JsonResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("api/v1/session", SessionView.as_view(), name="session"),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/v1/docs",
        SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="config/api_docs.html"),
        name="docs",
    ),
    path("", include("accounts.urls")),
    path("", include("jobs.urls")),
    path("", include("catalog.urls")),
    path("", include("transfers.urls")),
    path("", include("batches.urls")),
    path("", include("notifications.urls")),
    path("", include("monitoring.urls")),
    path("login", pages.LoginPage.as_view(), name="login"),
    path("guide", pages.GuidePage.as_view(), name="guide-page"),
    path("", pages.WorklistPage.as_view(), name="worklist"),
    path("upload", pages.UploadPage.as_view(), name="upload"),
    path("jobs/<uuid:job_id>", pages.JobPage.as_view(), name="job-page"),
    path("batches", pages.BatchesPage.as_view(), name="batches-page"),
    path("batches/<uuid:batch_id>", pages.BatchPage.as_view(), name="batch-page"),
    path("quarantine", pages.QuarantinePage.as_view(), name="quarantine-page"),
    path("jobs/compare", pages.JobComparePage.as_view(), name="job-compare-page"),
    path("models", pages.ModelsPage.as_view(), name="models-page"),
    path("models/compare", pages.ModelComparePage.as_view(), name="model-compare-page"),
    path("models/<str:digest>", pages.ModelPage.as_view(), name="model-page"),
    path("deployments", pages.DeploymentsPage.as_view(), name="deployments-page"),
    path("deployments/<slug:name>/agreement", pages.AgreementPage.as_view(), name="agreement-page"),
    path("monitoring", pages.MonitoringPage.as_view(), name="monitoring-page"),
    path("audit", pages.AuditPage.as_view(), name="audit-page"),
    path("password", pages.PasswordPage.as_view(), name="password-page"),
    path("tokens", pages.TokensPage.as_view(), name="tokens-page"),
    path("people", pages.PeoplePage.as_view(), name="people-page"),
    path("webhooks", pages.WebhooksPage.as_view(), name="webhooks-page"),
    path("webhooks/<uuid:webhook_id>", pages.WebhookPage.as_view(), name="webhook-page"),
    path("sites", pages.SitesPage.as_view(), name="sites-page"),
    path("operations", pages.OperationsPage.as_view(), name="operations-page"),
]

handler400 = "common.problems.bad_request"
handler403 = "common.problems.permission_denied"
handler404 = "config.pages.not_found"
handler500 = "config.pages.server_error"
