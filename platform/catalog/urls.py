"""Addresses of the registry, from the root. Names that are no package or deployment come first."""

from __future__ import annotations

from django.urls import path

from catalog.api import checks, deployments, packages, uploads
from catalog.api.deployments_list import DeploymentListView

_NAME = "api/v1/deployments/<slug:name>"
_PACKAGE = "api/v1/packages/<str:digest>"
_REQUEST = "api/v1/deployments/requests/<uuid:request_id>"

urlpatterns = [
    path("api/v1/deployments", DeploymentListView.as_view(), name="deployments"),
    path("api/v1/deployments/all", deployments.AdministeredDeploymentsView.as_view(), name="deployments-all"),
    path("api/v1/deployments/requests", deployments.DeploymentRequestsView.as_view(), name="deployment-requests"),
    path(f"{_REQUEST}/approve", deployments.DeploymentApproveView.as_view(), name="deployment-request-approve"),
    path(f"{_REQUEST}/reject", deployments.DeploymentRejectView.as_view(), name="deployment-request-reject"),
    path(f"{_REQUEST}/withdraw", deployments.DeploymentWithdrawView.as_view(), name="deployment-request-withdraw"),
    path("api/v1/deployments/history", deployments.DeploymentHistoryView.as_view(), name="deployment-history"),
    path(_NAME, deployments.DeploymentDetailView.as_view(), name="deployment"),
    path(f"{_NAME}/activate", deployments.DeploymentActivateView.as_view(), name="deployment-activate"),
    path(f"{_NAME}/rollback", deployments.DeploymentRollbackView.as_view(), name="deployment-rollback"),
    path(f"{_NAME}/candidate", deployments.DeploymentCandidateView.as_view(), name="deployment-candidate"),
    path(f"{_NAME}/rules", deployments.DeploymentRulesView.as_view(), name="deployment-rules"),
    path("api/v1/packages", packages.PackageListView.as_view(), name="packages"),
    path("api/v1/packages/profiles", uploads.ProfilesView.as_view(), name="package-profiles"),
    path("api/v1/packages/uploads", uploads.UploadsView.as_view(), name="package-uploads"),
    path("api/v1/packages/uploads/<uuid:upload_id>", uploads.UploadDetailView.as_view(), name="package-upload"),
    path("api/v1/checks/<uuid:check_id>", checks.CheckDetailView.as_view(), name="check"),
    path("api/v1/packages/compare", packages.PackageCompareView.as_view(), name="packages-compare"),
    path(_PACKAGE, packages.PackageDetailView.as_view(), name="package"),
    path(f"{_PACKAGE}/files/<path:path>", packages.PackageFileView.as_view(), name="package-file"),
    path(f"{_PACKAGE}/validate", checks.PackageValidateView.as_view(), name="package-validate"),
    path(f"{_PACKAGE}/validations", checks.PackageValidationsView.as_view(), name="package-validations"),
    path(f"{_PACKAGE}/archive", checks.PackageArchiveView.as_view(), name="package-archive"),
    path(f"{_PACKAGE}/unarchive", checks.PackageUnarchiveView.as_view(), name="package-unarchive"),
    path(f"{_PACKAGE}/download", packages.PackageDownloadView.as_view(), name="package-download"),
]
