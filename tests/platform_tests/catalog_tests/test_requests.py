"""Asked-for changes of deployments: checked twice, approved by another, applied when due, never forked."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import AuditEntry, Site, User
from catalog.deployments import candidate_stop, deployment_roll_back
from catalog.models import CheckState, Deployment, DeploymentChange, DeploymentRequest, ModelPackage, RequestState
from catalog.requests import (
    deployment_request,
    request_approve,
    request_reject,
    request_withdraw,
    requests_apply_due,
    rules_checked,
)
from catalog.selectors import deployment_resolve
from common import clock
from common.object_store import ObjectStore
from inference_worker.contract.failures import CodedError
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import package_in, package_mark

pytestmark = pytest.mark.django_db


@pytest.fixture
def packages(store: ObjectStore, tmp_path: Path) -> list[ModelPackage]:
    return [package_in(tmp_path, version=f"{number}.0.0") for number in (1, 2, 3)]


@pytest.fixture
def second(site: Site) -> User:
    from accounts.models import Role
    from accounts.services import user_create

    return user_create(site=site, username="second", password=PASSWORD, role=Role.ADMINISTRATOR)


def ask(kind: str, user: User | None, **more: Any) -> DeploymentRequest:
    values: dict[str, Any] = {"name": "default", "site": None, "reason": "because of tests"}
    return deployment_request(kind=kind, requested_by=user, **{**values, **more})


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(CodedError) as refused:
        call()
    return refused.value.code


def serving() -> str:
    return Deployment.objects.get().package.version


def test_an_activation_takes_effect_at_once_and_is_in_history_and_audit(
    packages: list[ModelPackage], administrator: User, site: Site
) -> None:
    request = ask("activate", administrator, package=packages[0])
    assert request.state == RequestState.APPLIED
    assert deployment_resolve(site=site).package == packages[0]
    change = DeploymentChange.objects.get()
    assert (change.previous, change.package, change.changed_by, change.request) == (None, packages[0], administrator, request)
    assert [(row.action, row.actor) for row in AuditEntry.objects.order_by("id")] == [
        ("request.create", administrator),
        ("deployment.activate", administrator),
    ]


@pytest.mark.parametrize(
    ("state", "code"),
    [("", "model:not_validated"), (CheckState.RUNNING, "model:not_validated"), (CheckState.FAILED, "model:validation_failed")],
)
@pytest.mark.parametrize("kind", ["activate", "candidate_start"])
def test_what_has_not_passed_is_not_deployed(
    packages: list[ModelPackage], administrator: User, state: str, code: str, kind: str
) -> None:
    ask("activate", administrator, package=packages[0])
    package_mark(packages[1], state)  # type: ignore[arg-type]
    more = {"candidate_mode": "canary", "candidate_share": 0.5} if kind == "candidate_start" else {}
    assert code_of(lambda: ask(kind, administrator, package=packages[1], **more)) == code
    assert serving() == "1.0.0"
    assert DeploymentChange.objects.count() == 1


def test_an_archived_package_is_not_deployed(packages: list[ModelPackage], administrator: User) -> None:
    ModelPackage.objects.filter(pk=packages[0].pk).update(archived_at=clock.now())
    assert code_of(lambda: ask("activate", administrator, package=packages[0])) == "model:package_archived"
    assert not Deployment.objects.exists()


def test_a_reason_is_required(packages: list[ModelPackage], administrator: User) -> None:
    for reason in ("", "  ok  ", "x" * 501):
        with pytest.raises(CodedError):
            ask("activate", administrator, package=packages[0], reason=reason)
    assert not DeploymentRequest.objects.exists()


def test_rolling_back_goes_back_step_by_step_and_never_forward(packages: list[ModelPackage], administrator: User) -> None:
    for package in packages:
        ask("activate", administrator, package=package)
    ask("rollback", administrator)
    assert serving() == "2.0.0"
    ask("rollback", administrator)
    assert serving() == "1.0.0"
    assert code_of(lambda: ask("rollback", administrator)) == "input:no_previous_package"
    ask("activate", administrator, package=packages[2])
    ask("rollback", administrator)
    assert serving() == "1.0.0"


def test_rolling_back_needs_no_new_validation_but_no_archived_package(packages: list[ModelPackage], administrator: User) -> None:
    ask("activate", administrator, package=packages[0])
    ask("activate", administrator, package=packages[1])
    package_mark(packages[0], CheckState.RUNNING)
    ModelPackage.objects.filter(pk=packages[0].pk).update(archived_at=clock.now())
    assert code_of(lambda: ask("rollback", administrator)) == "model:package_archived"
    ModelPackage.objects.filter(pk=packages[0].pk).update(archived_at=None)
    assert ask("rollback", administrator).state == RequestState.APPLIED


def test_a_second_person_approves(packages: list[ModelPackage], administrator: User, second: User, settings: Any) -> None:
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    request = ask("activate", administrator, package=packages[0])
    assert request.state == RequestState.PENDING
    assert not Deployment.objects.exists()
    own = code_of(lambda: request_approve(request_id=request.pk, approved_by=administrator))
    assert own == "input:needs_second_person"
    assert request_approve(request_id=request.pk, approved_by=second, reason="seen").state == RequestState.APPLIED
    change = DeploymentChange.objects.get()
    assert (change.changed_by, change.approved_by) == (administrator, second)
    assert code_of(lambda: request_approve(request_id=request.pk, approved_by=second)) == "input:request_decided"


def test_ways_back_never_wait_for_a_second_person(packages: list[ModelPackage], administrator: User, settings: Any) -> None:
    ask("activate", administrator, package=packages[0])
    ask("activate", administrator, package=packages[1])
    ask("candidate_start", administrator, package=packages[2], candidate_mode="canary", candidate_share=0.1)
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    assert ask("candidate_stop", administrator).state == RequestState.APPLIED
    assert ask("rollback", administrator).state == RequestState.APPLIED
    assert serving() == "1.0.0"


def test_approving_for_a_world_that_has_moved_is_refused(
    packages: list[ModelPackage], administrator: User, second: User, settings: Any
) -> None:
    ask("activate", administrator, package=packages[0])
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    request = ask("activate", administrator, package=packages[1])
    settings.DEPLOYMENT_APPROVAL_REQUIRED = False
    ask("activate", administrator, package=packages[2])
    assert code_of(lambda: request_approve(request_id=request.pk, approved_by=second)) == "input:deployment_moved"
    assert serving() == "3.0.0"


def test_approving_what_has_failed_its_validation_meanwhile_is_refused(
    packages: list[ModelPackage], administrator: User, second: User, settings: Any
) -> None:
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    request = ask("activate", administrator, package=packages[0])
    package_mark(packages[0], CheckState.FAILED)
    assert code_of(lambda: request_approve(request_id=request.pk, approved_by=second)) == "model:validation_failed"
    request.refresh_from_db()
    assert (request.state, request.decided_by) == (RequestState.PENDING, None)


def test_rejected_and_withdrawn_requests_change_nothing(
    packages: list[ModelPackage], administrator: User, second: User, settings: Any
) -> None:
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    rejected = ask("activate", administrator, package=packages[0])
    withdrawn = ask("activate", administrator, package=packages[0])
    request_reject(request_id=rejected.pk, rejected_by=second, reason="figures too weak")
    request_withdraw(request_id=withdrawn.pk, withdrawn_by=administrator)
    assert not Deployment.objects.exists()
    assert code_of(lambda: request_approve(request_id=rejected.pk, approved_by=second)) == "input:request_decided"
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["request.create", "request.create", "request.reject", "request.withdraw"]


def test_a_scheduled_activation_waits_for_its_moment(
    packages: list[ModelPackage], administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now() + datetime.timedelta(hours=3)
    request = ask("activate", administrator, package=packages[0], apply_at=at)
    assert request.state == RequestState.SCHEDULED
    assert requests_apply_due() == 0
    monkeypatch.setattr(clock, "now", lambda: at + datetime.timedelta(seconds=1))
    assert requests_apply_due() == 1
    assert requests_apply_due() == 0
    assert serving() == "1.0.0"
    request.refresh_from_db()
    assert (request.state, request.applied_at) == (RequestState.APPLIED, at + datetime.timedelta(seconds=1))


def test_a_scheduled_change_that_is_no_longer_possible_fails_alone(
    packages: list[ModelPackage], administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now() + datetime.timedelta(hours=1)
    bad = ask("activate", administrator, package=packages[0], apply_at=at)
    good = ask("activate", administrator, package=packages[1], apply_at=at, name="dense-breast")
    package_mark(packages[0], CheckState.FAILED)
    monkeypatch.setattr(clock, "now", lambda: at)
    assert requests_apply_due() == 2
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.failure_code) == (RequestState.FAILED, "model:validation_failed")
    assert good.state == RequestState.APPLIED
    assert not Deployment.objects.filter(name="default").exists()
    assert AuditEntry.objects.filter(action="request.failed").count() == 1


def test_a_candidate_starts_is_promoted_and_stops(packages: list[ModelPackage], administrator: User) -> None:
    ask("activate", administrator, package=packages[0])
    for mode, share in (("canary", 0.0), ("canary", 1.5), ("other", 0.5)):
        refused = code_of(
            lambda mode=mode, share=share: ask(  # type: ignore[misc]
                "candidate_start", administrator, package=packages[1], candidate_mode=mode, candidate_share=share
            )
        )
        assert refused == "input:invalid_field"
    same = {"package": packages[0], "candidate_mode": "shadow", "candidate_share": 1.0}
    assert code_of(lambda: ask("candidate_start", administrator, **same)) == "input:already_candidate"
    assert code_of(lambda: ask("candidate_stop", administrator)) == "input:no_candidate"
    ask("candidate_start", administrator, package=packages[1], candidate_mode="shadow", candidate_share=0.25)
    deployment = Deployment.objects.get()
    assert (deployment.candidate, deployment.candidate_mode, deployment.candidate_share) == (packages[1], "shadow", 0.25)
    ask("activate", administrator, package=packages[1])
    deployment.refresh_from_db()
    assert (deployment.package, deployment.candidate, deployment.candidate_mode) == (packages[1], None, "")
    assert DeploymentChange.objects.order_by("-id")[0].detail == {"promoted": {"mode": "shadow", "share": 0.25}}


def test_the_platforms_own_reactions_carry_their_figures(packages: list[ModelPackage], administrator: User) -> None:
    ask("activate", administrator, package=packages[0])
    deployment = Deployment.objects.get()
    figures = {"failure_share": 0.4, "jobs": 50}
    assert deployment_roll_back(deployment_id=deployment.pk, reason="too many failures", detail=figures) is None
    assert candidate_stop(deployment_id=deployment.pk, reason="too many failures", detail=figures) is None
    ask("activate", administrator, package=packages[1])
    change = deployment_roll_back(deployment_id=deployment.pk, reason="too many failures", detail=figures)
    assert change is not None
    assert (change.changed_by, change.package, change.detail) == (None, packages[0], figures)
    assert AuditEntry.objects.order_by("-id")[0].actor is None


@pytest.mark.parametrize(
    "rules",
    [
        {"failure_share": 1.5},
        {"failure_share": True},
        {"latency_p95_seconds": float("nan")},
        {"unknown": 1},
        {"minimum_jobs": 20},
        {"failure_share": "0.1"},
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any]) -> None:
    assert code_of(lambda: rules_checked(rules)) == "input:invalid_field"


def test_rules_are_set_and_taken_away(packages: list[ModelPackage], administrator: User) -> None:
    ask("activate", administrator, package=packages[0])
    ask("rules", administrator, rules={"failure_share": 0.05, "minimum_jobs": 20})
    assert Deployment.objects.get().rules == {"failure_share": 0.05, "minimum_jobs": 20}
    ask("rules", administrator, rules={})
    assert Deployment.objects.get().rules == {}


def test_a_change_is_announced_after_its_commit(
    packages: list[ModelPackage], administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    from catalog.signals import deployment_changed

    heard: list[object] = []

    def listen(deployment_id: object, **_: Any) -> None:
        heard.append(deployment_id)

    deployment_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            ask("activate", administrator, package=packages[0])
            assert heard == []
        assert heard == [Deployment.objects.get().pk]
    finally:
        deployment_changed.disconnect(listen)


@pytest.mark.django_db(transaction=True)
def test_activations_at_the_same_moment_make_one_chain(packages: list[ModelPackage], administrator: User) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("an in-memory SQLite has one connection")
    ask("activate", administrator, package=packages[0])

    def activate(index: int) -> None:
        try:
            ask("activate", administrator, package=packages[index % 3])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(activate, range(1, 19)))
    changes = list(DeploymentChange.objects.order_by("id"))
    assert [change.previous_id for change in changes[1:]] == [change.package_id for change in changes[:-1]]
    assert Deployment.objects.get().package_id == changes[-1].package_id
