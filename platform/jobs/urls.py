"""Addresses of studies, jobs, results and readiness, from the root."""

from __future__ import annotations

from django.urls import path

from jobs.api import (
    bulk_views,
    export_views,
    health,
    job_list,
    reading_views,
    registry_views,
    result_views,
    sample_views,
    study_views,
    views,
    worklist_views,
)

urlpatterns = [
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/studies", study_views.StudyListView.as_view(), name="studies"),
    path("api/v1/studies/<uuid:study_id>", study_views.StudyDetailView.as_view(), name="study"),
    path("api/v1/studies/<uuid:study_id>/priors", reading_views.StudyPriorsView.as_view(), name="study-priors"),
    path(
        "api/v1/studies/<uuid:study_id>/images/<uuid:image_id>/original",
        reading_views.ImageOriginalView.as_view(),
        name="image-original",
    ),
    path("api/v1/sample-study", sample_views.SampleStudyView.as_view(), name="sample-study"),
    path("api/v1/jobs", job_list.JobListView.as_view(), name="jobs"),
    path("api/v1/jobs/summary", job_list.JobCountsView.as_view(), name="job-counts"),
    path("api/v1/jobs/export", export_views.JobExportView.as_view(), name="jobs-export"),
    path("api/v1/jobs/export/count", export_views.JobExportCountView.as_view(), name="jobs-export-count"),
    path("api/v1/jobs/reading", worklist_views.ReadingView.as_view(), name="jobs-reading"),
    path("api/v1/jobs/views", worklist_views.SavedViewListView.as_view(), name="saved-views"),
    path("api/v1/jobs/views/<uuid:view_id>", worklist_views.SavedViewDetailView.as_view(), name="saved-view"),
    path("api/v1/jobs/bulk", bulk_views.JobBulkView.as_view(), name="jobs-bulk"),
    path("api/v1/jobs/rerun", registry_views.JobRerunView.as_view(), name="jobs-rerun"),
    path("api/v1/jobs/compare", registry_views.JobCompareView.as_view(), name="jobs-compare"),
    path("api/v1/jobs/<uuid:job_id>/replay", registry_views.JobReplayView.as_view(), name="job-replay"),
    path("api/v1/jobs/<uuid:job_id>/replays", registry_views.JobReplaysView.as_view(), name="job-replays"),
    path("api/v1/packages/<str:digest>/readiness", registry_views.ReadinessView.as_view(), name="readiness"),
    path("api/v1/deployments/<slug:name>/agreement", registry_views.AgreementView.as_view(), name="agreement"),
    path("api/v1/jobs/<uuid:job_id>", views.JobDetailView.as_view(), name="job"),
    path("api/v1/jobs/<uuid:job_id>/events", views.JobEventsView.as_view(), name="job-events"),
    path("api/v1/jobs/<uuid:job_id>/result", result_views.JobResultView.as_view(), name="job-result"),
    path("api/v1/jobs/<uuid:job_id>/card", reading_views.JobCardView.as_view(), name="job-card"),
    path("api/v1/jobs/<uuid:job_id>/artifacts/<path:name>", result_views.ArtifactView.as_view(), name="job-artifact"),
    path("api/v1/jobs/<uuid:job_id>/cancel", views.JobCancelView.as_view(), name="job-cancel"),
    path("api/v1/jobs/<uuid:job_id>/retry", views.JobRetryView.as_view(), name="job-retry"),
    path("api/v1/failures", views.FailureCatalogueView.as_view(), name="failures"),
]
