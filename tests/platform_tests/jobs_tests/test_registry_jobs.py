"""Jobs as evidence: canaries and shadows by share, agreement, the rule that takes a package back, re-runs and replays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Role, Site, User
from catalog.models import Deployment, DeploymentChange, ModelPackage, RequestKind
from catalog.requests import deployment_request
from common.object_store import ObjectStore
from jobs.agreement import agreement_report, percentile
from jobs.api import registry_serializers as shapes
from jobs.candidates import in_share
from jobs.ledger import events_apply
from jobs.models import Job, JobPurpose, JobStatus
from jobs.replay_report import results_compare
from jobs.rollback_rule import rules_watch
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.factories import event, job_make, package_in, result_payload, shape_of, succeed

pytestmark = pytest.mark.django_db
WHY = "because of tests"


@pytest.fixture
def candidate(store: ObjectStore, tmp_path: Path, deployment: Deployment) -> ModelPackage:
    return package_in(tmp_path, version="2.0.0")


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


def ask(kind: str, **more: Any) -> None:
    deployment_request(kind=kind, name="default", site=None, requested_by=None, reason=WHY, **more)


def start(mode: str, candidate: ModelPackage, share: float) -> Deployment:
    ask("candidate_start", package=candidate, candidate_mode=mode, candidate_share=share)
    return Deployment.objects.select_related("package", "candidate").get()


def finish(job: Job, suspicion: float = 0.75, label: str = "malignant") -> Job:
    payload = result_payload(job, suspicion=suspicion)
    payload["study"]["label"] = label
    events_apply([event("started", job), event("succeeded", job, result=payload)])
    return Job.objects.select_related("result").get(pk=job.pk)


def fail(job: Job, code: str = "model:not_finite") -> None:
    events_apply([event("started", job), event("failed", job, failure_code=code)])


# ── Shares ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_share_is_what_it_says(share: float) -> None:
    chosen = sum(in_share(share, "package", number) for number in range(20_000))
    assert abs(chosen / 20_000 - share) < 0.012  # four standard deviations and a little


def test_all_and_nothing_are_exact() -> None:
    assert all(in_share(1.0, number) for number in range(2_000))
    assert not any(in_share(0.0, number) for number in range(2_000))


def test_a_canary_serves_its_share_and_the_same_study_lands_on_the_same_side(
    deployment: Deployment, candidate: ModelPackage, site: Site
) -> None:
    running = start("canary", candidate, 0.5)
    jobs = [job_make(running, site) for _ in range(60)]
    canaries = [job for job in jobs if job.is_canary]
    assert 12 <= len(canaries) <= 48
    assert {job.package_id for job in canaries} == {candidate.pk}
    assert {job.package_id for job in jobs if not job.is_canary} == {running.package_id}
    from jobs.services import job_submit

    again = job_submit(study=canaries[0].study, deployment=running, priority="routine", submitted_by=None)
    assert again.is_canary


# ── Shadows ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_job_is_shadowed_once_and_no_reader_sees_it(
    deployment: Deployment, candidate: ModelPackage, site: Site, api: APIClient, admin_api: APIClient
) -> None:
    running = start("shadow", candidate, 1.0)
    job = job_make(running, site)
    assert not Job.objects.filter(purpose=JobPurpose.SHADOW).exists()
    finish(job)
    events_apply([event("succeeded", job)])
    shadow = Job.objects.get(purpose=JobPurpose.SHADOW)
    assert (shadow.origin, shadow.package, shadow.priority, shadow.study) == (job, candidate, "backfill", job.study)
    finish(shadow)
    assert Job.objects.count() == 2  # a shadow casts none
    assert [row["id"] for row in api.get("/api/v1/jobs").json()["results"]] == [str(job.pk)]
    assert api.get("/api/v1/jobs/summary").json()["counts"]["SUCCEEDED"] == 1
    assert api.get(f"/api/v1/studies/{job.study_id}").json()["latest_job"]["id"] == str(job.pk)
    for tail in ("", "/result", "/events", "/artifacts/image-0/preview.png"):
        assert api.get(f"/api/v1/jobs/{shadow.pk}{tail}").status_code == 404
    for verb in ("cancel", "retry"):
        assert api.post(f"/api/v1/jobs/{shadow.pk}/{verb}").status_code == 404
    assert admin_api.get(f"/api/v1/jobs/{shadow.pk}").json()["purpose"] == "shadow"
    assert admin_api.get(f"/api/v1/jobs/{shadow.pk}/result").status_code == 200


def test_what_fails_is_not_shadowed(deployment: Deployment, candidate: ModelPackage, site: Site) -> None:
    fail(job_make(start("shadow", candidate, 1.0), site))
    assert not Job.objects.filter(purpose=JobPurpose.SHADOW).exists()


def test_agreement_of_pairs_by_hand(deployment: Deployment, candidate: ModelPackage, site: Site, admin_api: APIClient) -> None:
    running = start("shadow", candidate, 1.0)
    sides = [(0.9, "malignant", 0.8, "malignant"), (0.7, "malignant", 0.3, "benign"), (0.2, "benign", 0.2, "benign")]
    for left, left_label, right, right_label in sides:
        job = finish(job_make(running, site), left, left_label)
        finish(job.repeats.get(), right, right_label)
    report = agreement_report(deployment=running, candidate=candidate, mode="shadow", since=None)
    assert report["jobs_compared"] == 3
    assert report["label_agreement"]["share"] == pytest.approx(2 / 3)
    assert report["label_agreement"]["low"] == pytest.approx(0.2077, abs=1e-3)  # Wilson, 2 of 3
    assert report["label_agreement"]["high"] == pytest.approx(0.9385, abs=1e-3)
    assert (report["labels"], report["confusion"]) == (["benign", "malignant"], [[1, 0], [1, 1]])
    assert report["probability_difference"]["maximum"] == pytest.approx(0.4)
    assert report["probability_difference"]["mean"] == pytest.approx(0.5 / 3)
    assert sum(report["probability_difference"]["histogram"]["counts"]) == 3
    assert report["threshold_flips"] == 1
    assert report["suspicion_correlation"] == pytest.approx(0.81966, abs=1e-4)
    worst = report["disagreements"][0]
    assert (worst["flipped"], worst["left"]["label"], worst["right"]["label"]) == (True, "malignant", "benign")
    answer = admin_api.get("/api/v1/deployments/default/agreement").json()
    assert set(answer) == shape_of(shapes.AgreementSerializer())
    assert answer["jobs_compared"] == 3
    compared = admin_api.get(f"/api/v1/jobs/compare?left={worst['origin']}&right={worst['candidate']}").json()
    assert set(compared) == shape_of(shapes.JobComparisonSerializer())
    assert compared["same_study"]
    assert {found["where"] for found in compared["differences"]} >= {"package_digest", "study.label", "study.suspicion"}


def test_another_sites_pairs_are_not_shown(
    deployment: Deployment, candidate: ModelPackage, other_site: Site, admin_api: APIClient
) -> None:
    job = finish(job_make(start("shadow", candidate, 1.0), other_site))
    finish(job.repeats.get())
    assert admin_api.get("/api/v1/deployments/default/agreement").json()["jobs_compared"] == 0


def test_percentiles_are_numpys() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 95) == pytest.approx(3.85)
    assert percentile([], 50) is None


# ── The rule ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_failures_beyond_the_rule_roll_back_once_and_never_swing(
    deployment: Deployment, candidate: ModelPackage, site: Site
) -> None:
    ask("rules", rules={"failure_share": 0.5, "minimum_jobs": 4})
    ask("activate", package=candidate)
    running = Deployment.objects.get()
    for _ in range(3):
        fail(job_make(running, site))
    assert rules_watch() == 0  # too few
    finish(job_make(running, site))
    assert rules_watch() == 1
    running.refresh_from_db()
    assert running.package == deployment.package
    change = DeploymentChange.objects.order_by("-id")[0]
    assert (change.kind, change.changed_by, change.detail["value"]) == (RequestKind.ROLLBACK, None, 0.75)
    assert change.reason.startswith("Rolled back: 75 % of 4 jobs failed".replace("75 %", "75%"))
    for _ in range(5):
        fail(job_make(running, site))
    assert rules_watch() == 0
    running.refresh_from_db()
    assert running.package == deployment.package


def test_bad_files_are_not_the_models_fault(deployment: Deployment, candidate: ModelPackage, site: Site) -> None:
    ask("rules", rules={"failure_share": 0.1, "minimum_jobs": 2})
    ask("activate", package=candidate)
    for _ in range(4):
        fail(job_make(Deployment.objects.get(), site), "input:pixel_data_corrupt")
    assert rules_watch() == 0


def test_a_failing_canary_is_stopped_and_the_package_stays(deployment: Deployment, candidate: ModelPackage, site: Site) -> None:
    ask("rules", rules={"failure_share": 0.5, "minimum_jobs": 2})
    running = start("canary", candidate, 1.0)
    for _ in range(2):
        fail(job_make(running, site))
    assert rules_watch() == 1
    running.refresh_from_db()
    assert (running.package, running.candidate) == (deployment.package, None)
    assert AuditEntry.objects.filter(action="deployment.candidate_stop", actor=None).count() == 1


def test_slowness_beyond_the_rule_rolls_back(
    deployment: Deployment, candidate: ModelPackage, site: Site, moving_clock: Clock
) -> None:
    ask("rules", rules={"latency_p95_seconds": 10, "minimum_jobs": 2})
    ask("activate", package=candidate)
    for _ in range(2):
        job = job_make(Deployment.objects.get(), site)
        events_apply([event("started", job, occurred_at=moving_clock.now().isoformat())])
        moving_clock.advance(30)
        events_apply([event("succeeded", job, occurred_at=moving_clock.now().isoformat())])
    assert rules_watch() == 1
    assert "30.0 s" in DeploymentChange.objects.order_by("-id")[0].reason


# ── Re-runs and replays ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rerun_is_a_new_job_that_names_its_origin_and_asking_twice_makes_one(
    deployment: Deployment, candidate: ModelPackage, site: Site, api: APIClient, admin_api: APIClient
) -> None:
    jobs = [finish(job_make(deployment, site)) for _ in range(2)]
    body = {"jobs": [str(job.pk) for job in jobs], "package": candidate.pk, "reason": WHY}
    first = admin_api.post("/api/v1/jobs/rerun", body)
    assert (first.status_code, set(first.json())) == (202, shape_of(shapes.RerunAcceptedSerializer()))
    assert admin_api.post("/api/v1/jobs/rerun", body).json() == first.json()
    new = Job.objects.get(pk=first.json()["results"][0]["job"])
    assert (new.origin, new.package, new.purpose, new.study) == (jobs[0], candidate, JobPurpose.RERUN, jobs[0].study)
    assert Job.objects.count() == 4
    forced = admin_api.post("/api/v1/jobs/rerun", {**body, "force": True}).json()["results"]
    assert Job.objects.count() == 6
    assert forced[0]["job"] != str(new.pk)
    seen = api.get(f"/api/v1/jobs/{new.pk}").json()
    assert (seen["purpose"], seen["origin"], seen["package"]["version"]) == ("rerun", str(jobs[0].pk), "2.0.0")
    assert AuditEntry.objects.filter(action="job.rerun").values_list("detail__new", flat=True)[0] == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"package": "sha256:" + "0" * 64}, 404, "input:unknown_package"),
        ({"package": None, "deployment": "nowhere"}, 422, "input:unknown_deployment"),
        ({"deployment": "default"}, 400, "input:invalid_field"),
        ({"jobs": []}, 400, "input:invalid_field"),
        ({"jobs": ["8c1f0c59-9f3e-4c3c-8f6c-0a3c8f5d2f10"]}, 404, "request:not_found"),
        ({"reason": "no"}, 400, "input:invalid_field"),
    ],
)
def test_a_wrong_rerun_is_worded_and_queues_nothing(
    deployment: Deployment,
    candidate: ModelPackage,
    site: Site,
    admin_api: APIClient,
    change: dict[str, Any],
    status: int,
    code: str,
) -> None:
    job = finish(job_make(deployment, site))
    body = {"jobs": [str(job.pk)], "package": candidate.pk, "reason": WHY, **change}
    answer = admin_api.post("/api/v1/jobs/rerun", {name: value for name, value in body.items() if value is not None})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Job.objects.count() == 1


def test_a_replay_says_identical_or_what_differs(
    deployment: Deployment, site: Site, api: APIClient, admin_api: APIClient
) -> None:
    job = job_make(deployment, site)
    assert admin_api.post(f"/api/v1/jobs/{job.pk}/replay").json()["code"] == "job:not_replayable"
    job = finish(job)
    for suspicion, verdict in ((0.75, "identical"), (0.75005, "identical"), (0.7, "different")):
        replay = Job.objects.get(pk=admin_api.post(f"/api/v1/jobs/{job.pk}/replay").json()["job"])
        assert (replay.purpose, replay.package_id, replay.origin) == (JobPurpose.REPLAY, job.package_id, job)
        waiting = admin_api.get(f"/api/v1/jobs/{job.pk}/replays").json()["results"][0]
        assert (waiting["verdict"], set(waiting)) == (None, shape_of(shapes.ReplaySerializer()))
        finish(replay, suspicion)
        newest = admin_api.get(f"/api/v1/jobs/{job.pk}/replays").json()["results"][0]
        assert (newest["verdict"], bool(newest["differences"])) == (verdict, verdict == "different")
        assert api.get(f"/api/v1/jobs/{replay.pk}").status_code == 404
    assert "study.suspicion" in {found["where"] for found in newest["differences"]}


def test_a_failed_replay_is_said(deployment: Deployment, site: Site, admin_api: APIClient) -> None:
    job = finish(job_make(deployment, site))
    fail(Job.objects.get(pk=admin_api.post(f"/api/v1/jobs/{job.pk}/replay").json()["job"]))
    assert admin_api.get(f"/api/v1/jobs/{job.pk}/replays").json()["results"][0]["verdict"] == "failed"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("images", 0, "label"), "benign", "images[0].label"),
        (("images", 1, "logits", "normal"), 0.001, "images[1].logits.normal"),
        (("images", 0, "heatmaps", 0, "raw_maximum"), 0.51, "images[0].heatmaps.suspicion.raw_maximum"),
        (("study", "calibrated_probabilities", "malignant"), 0.7502, "study.calibrated_probabilities.malignant"),
        (("study", "suspicion"), None, "study.suspicion"),
        (("preprocessing_digest",), "sha256:other", "preprocessing_digest"),
        (("images",), [], "images.length"),
    ],
)
def test_every_kind_of_difference_is_found(
    deployment: Deployment, site: Site, path: tuple[Any, ...], value: Any, where: str
) -> None:
    left = result_payload(job_make(deployment, site))
    right: Any = copy.deepcopy(left)
    assert results_compare(left, right) == []
    place = right
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert [found.where for found in results_compare(left, right)] == [where]


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "rerun"), ("post", "JOB/replay"), ("get", "JOB/replays"), ("get", "compare?left=JOB&right=JOB")],
)
def test_evidence_is_for_administrators(
    deployment: Deployment,
    site: Site,
    client_of: Callable[[User], APIClient],
    role: Role,
    method: str,
    path: str,
) -> None:
    from accounts.services import user_create
    from tests.platform_tests.conftest import PASSWORD

    job = succeed(job_make(deployment, site))
    client = client_of(user_create(site=site, username="someone", password=PASSWORD, role=role))
    answer = getattr(client, method)(f"/api/v1/jobs/{path.replace('JOB', str(job.pk))}")
    assert answer.status_code == 403
    assert client.get("/api/v1/deployments/default/agreement").status_code == 403
    assert Job.objects.filter(status=JobStatus.QUEUED).count() == 0
