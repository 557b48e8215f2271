"""`manage.py deployment`: what a pipeline calls."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from catalog.models import CheckState, Deployment, ModelPackage
from common.object_store import ObjectStore
from tests.platform_tests.jobs_tests.factories import package_in, package_mark

pytestmark = pytest.mark.django_db


@pytest.fixture
def packages(store: ObjectStore, tmp_path: Path) -> list[ModelPackage]:
    return [package_in(tmp_path, version=f"{number}.0.0") for number in (1, 2)]


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("deployment", *words, stdout=out)
    return out.getvalue()


def test_a_pipeline_promotes_and_takes_back(packages: list[ModelPackage], administrator: User) -> None:
    why = ("--reason", "nightly promotion", "--as", "administrator")
    said("activate", "default", packages[0].pk, *why)
    answer = json.loads(said("activate", "default", "known-answer@2.0.0", *why, "--json"))
    assert (answer["state"], answer["requested_by"]) == ("APPLIED", "administrator")
    assert Deployment.objects.get().package == packages[1]
    said("rollback", "default", "--reason", "sensitivity fell")
    assert Deployment.objects.get().package == packages[0]
    assert "known-answer 1.0.0" in said("list")
    shown = json.loads(said("show", "default"))
    assert [entry["kind"] for entry in shown["history"]] == ["rollback", "activate", "activate"]
    history = said("history").splitlines()
    assert history[-1].endswith("the platform: sensitivity fell")
    assert len(said("history", "--csv").splitlines()) == 4


def test_candidate_and_rules(packages: list[ModelPackage]) -> None:
    said("activate", "default", packages[0].pk, "--reason", "first model")
    said("candidate", "default", packages[1].pk, "--mode", "canary", "--share", "0.2", "--reason", "try it")
    row = Deployment.objects.get()
    assert (row.candidate, row.candidate_mode, row.candidate_share) == (packages[1], "canary", 0.2)
    said("rules", "default", "failure_share=0.1", "minimum_jobs=10", "--reason", "be careful")
    said("candidate", "default", "none", "--reason", "seen enough")
    row.refresh_from_db()
    assert (row.candidate, row.rules) == (None, {"failure_share": 0.1, "minimum_jobs": 10.0})


def test_a_second_person_is_asked_for_here_too(packages: list[ModelPackage], administrator: User, settings: Any) -> None:
    settings.DEPLOYMENT_APPROVAL_REQUIRED = True
    answer = json.loads(said("activate", "default", packages[0].pk, "--reason", "first model", "--as", "administrator", "--json"))
    with pytest.raises(CommandError, match="input:needs_second_person"):
        said("approve", answer["id"], "--as", "administrator")
    assert answer["id"] in said("requests", "--state", "PENDING")
    assert said("withdraw", answer["id"], "--as", "administrator").strip() == "WITHDRAWN"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("activate", "default", "sha256:none", "--reason", "first model"), "input:unknown_package"),
        (("activate", "default", "KNOWN", "--reason", "no"), "input:reason_missing"),
        (("activate", "default", "KNOWN", "--reason", "first model", "--site", "nowhere"), "no site"),
        (("activate", "default", "KNOWN", "--reason", "first model", "--at", "soon"), "--at"),
        (("rollback", "default", "--reason", "first model"), "input:unknown_deployment"),
        (("rules", "default", "failure_share", "--reason", "first model"), "NAME=NUMBER"),
        (("show", "default"), "input:unknown_deployment"),
    ],
)
def test_what_is_wrong_is_said(packages: list[ModelPackage], words: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        said(*[packages[0].pk if word == "KNOWN" else word for word in words])
    assert not Deployment.objects.exists()


def test_what_has_not_passed_stays_out(packages: list[ModelPackage]) -> None:
    package_mark(packages[0], CheckState.FAILED)
    with pytest.raises(CommandError, match="model:validation_failed"):
        said("activate", "default", packages[0].pk, "--reason", "first model")
