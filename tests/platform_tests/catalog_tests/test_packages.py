"""Installing packages and moving pointers: verified, repeatable, and written down for good."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import Site, User
from catalog.deployments import deployment_activate
from catalog.management import verdicts
from catalog.models import AppendOnly, CheckState, Deployment, DeploymentChange, ModelPackage, PackageCheck
from catalog.packages import package_install
from catalog.selectors import deployment_resolve
from common.object_store import ObjectStore
from inference_worker.contract.failures import CodedError
from model_registry.packaging import package_verify
from tests.platform_tests.jobs_tests.factories import deployment_make, package_folder, package_in, package_mark

pytestmark = pytest.mark.django_db


def stored_files(store: ObjectStore) -> list[str]:
    return sorted(key for key in store.list_keys("packages") if "/." not in key)


def test_an_installed_package_verifies_where_the_workers_fetch_it(store: ObjectStore, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    row = package_install(folder=folder)
    assert row.object_key == f"packages/{row.digest.removeprefix('sha256:')}"
    fetched = package_verify(Path(store.path(row.object_key)), expected_digest=row.digest)
    assert (row.name, row.version, row.size_bytes) == ("known-answer", "1.0.0", fetched.size_bytes)
    assert row.manifest["classes"] == ["normal", "benign", "malignant"]


def test_installing_twice_changes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    first = package_install(folder=folder)
    before = {key: Path(store.path(key)).stat().st_mtime_ns for key in stored_files(store)}
    assert package_install(folder=folder) == first
    assert {key: Path(store.path(key)).stat().st_mtime_ns for key in stored_files(store)} == before
    assert ModelPackage.objects.count() == 1


def test_installing_again_mends_a_package_that_lost_a_file(store: ObjectStore, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    row = package_install(folder=folder)
    store.delete(f"{row.object_key}/model.onnx")
    package_install(folder=folder)
    package_verify(Path(store.path(row.object_key)))


def test_an_install_that_breaks_off_leaves_no_manifest_behind(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ObjectStore.put_file

    def full(self: ObjectStore, key: str, source: Path, *, move: bool = False) -> None:
        if key.endswith("model.onnx"):
            raise CodedError("system:storage_full")
        real(self, key, source, move=move)

    monkeypatch.setattr(ObjectStore, "put_file", full)
    with pytest.raises(CodedError):
        package_install(folder=package_folder(tmp_path))
    assert not any(key.endswith("manifest.json") for key in stored_files(store))
    assert not ModelPackage.objects.exists()


def test_an_altered_package_is_refused_before_a_byte_is_copied(store: ObjectStore, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    (folder / "model.onnx").write_bytes(b"MODEL 1.0.0")
    with pytest.raises(CodedError) as refused:
        package_install(folder=folder)
    assert refused.value.code == "model:digest_mismatch"
    assert stored_files(store) == []


def test_moving_a_pointer_is_written_down_with_who_and_why(store: ObjectStore, tmp_path: Path, administrator: User) -> None:
    old, new = package_in(tmp_path, version="1.0.0"), package_in(tmp_path, version="1.1.0")
    deployment_activate(name="default", site=None, package=old, changed_by=None, reason="first")
    for _ in range(2):  # the second time it points there already
        deployment_activate(name="default", site=None, package=new, changed_by=administrator, reason="better calibrated")
    deployment_activate(name="default", site=None, package=old, changed_by=administrator, reason="roll back")
    moves = DeploymentChange.objects.order_by("id").values_list("previous", "package", "changed_by", "reason")
    assert list(moves) == [
        (None, old.pk, None, "first"),
        (old.pk, new.pk, administrator.pk, "better calibrated"),
        (new.pk, old.pk, administrator.pk, "roll back"),
    ]
    assert Deployment.objects.get().package == old


def test_history_cannot_be_changed_or_deleted(store: ObjectStore, tmp_path: Path) -> None:
    deployment_make(tmp_path)
    change = DeploymentChange.objects.get()
    change.reason = "another reason"
    attempts: list[Callable[[], object]] = [
        change.save,
        change.delete,
        lambda: DeploymentChange.objects.update(reason="another reason"),
        lambda: DeploymentChange.objects.all().delete(),
        lambda: DeploymentChange.objects.bulk_update([change], ["reason"]),
    ]
    for attempt in attempts:
        with pytest.raises(AppendOnly):
            attempt()
    assert DeploymentChange.objects.get().reason == "tests"


def test_a_sites_own_deployment_comes_before_everyones(store: ObjectStore, tmp_path: Path, site: Site, other_site: Site) -> None:
    general = deployment_make(tmp_path, version="1.0.0")
    own = deployment_make(tmp_path, version="2.0.0", site=site)
    assert deployment_resolve(site=site) == own
    assert deployment_resolve(site=other_site, name="default") == general


@pytest.mark.parametrize(("name", "code"), [("", "model:none_deployed"), ("trial", "input:unknown_deployment")])
def test_a_deployment_that_is_not_there_is_coded(site: Site, name: str, code: str) -> None:
    with pytest.raises(CodedError) as refused:
        deployment_resolve(site=site, name=name)
    assert refused.value.code == code


def test_the_api_lists_what_a_site_can_submit_to(
    store: ObjectStore, tmp_path: Path, site: Site, api: APIClient, other_api: APIClient
) -> None:
    general = deployment_make(tmp_path, version="1.0.0")
    own = deployment_make(tmp_path, version="2.0.0", site=site)
    deployment_make(tmp_path, version="3.0.0", site=site, name="trial")
    answer = api.get("/api/v1/deployments")
    assert [(entry["name"], entry["package"]["version"]) for entry in answer.json()["results"]] == [
        ("default", "2.0.0"),
        ("trial", "3.0.0"),
    ]
    assert answer.json()["results"][0]["package"] == {
        "name": "known-answer",
        "version": "2.0.0",
        "title": "Known answer",
        "digest": own.package_id,
        "classes": ["normal", "benign", "malignant"],
    }
    assert [entry["package"]["digest"] for entry in other_api.get("/api/v1/deployments").json()["results"]] == [
        general.package_id
    ]
    assert api.get("/api/v1/deployments", headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_the_command_installs_and_activates_what_has_passed(store: ObjectStore, tmp_path: Path) -> None:
    out = io.StringIO()
    folder = package_folder(tmp_path)
    with pytest.raises(CommandError, match="is a worker up") as caught:
        call_command("install_package", str(folder), activate="default", reason="first model", wait=0.0, stdout=out)
    assert caught.value.returncode == verdicts.NOT_OVER
    with pytest.raises(CommandError, match="model:not_validated"):
        call_command(
            "install_package", str(folder), activate="default", reason="first model", without_validation=True, stdout=out
        )
    package = package_mark(ModelPackage.objects.get(), CheckState.PASSED)
    call_command("install_package", str(folder), activate="default", reason="first model", stdout=out)
    assert out.getvalue().strip() == package.digest
    assert DeploymentChange.objects.get().reason == "first model"


@pytest.mark.parametrize("state", [CheckState.PASSED, CheckState.FAILED])
def test_the_command_waits_for_the_workers_verdict_and_heeds_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: CheckState
) -> None:
    said = io.StringIO()
    moved = iter([CheckState.RUNNING, CheckState.RUNNING, state])

    def passes(seconds: float) -> None:
        """Time goes by and a worker reports."""
        reached = next(moved)
        PackageCheck.objects.update(state=reached, failure_code="model:golden_mismatch", failure_detail="by 0.5")
        package_mark(ModelPackage.objects.get(), reached)

    monkeypatch.setattr(verdicts.time, "sleep", passes)
    given: dict[str, Any] = {"activate": "default", "reason": "first model", "stderr": said, "stdout": io.StringIO()}
    if state == CheckState.PASSED:
        call_command("install_package", str(package_folder(tmp_path)), **given)
        assert DeploymentChange.objects.get().package_id == ModelPackage.objects.get().pk
    else:
        with pytest.raises(CommandError, match=r"model:golden_mismatch: by 0\.5") as caught:
            call_command("install_package", str(package_folder(tmp_path)), **given)
        assert caught.value.returncode == verdicts.FAILED
        assert not DeploymentChange.objects.exists()
    assert said.getvalue().splitlines() == ["validation queued …", "validation running …"]


def test_the_command_refuses_without_a_reason_and_without_a_package(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--reason"):
        call_command("install_package", str(package_folder(tmp_path)), activate="default")
    with pytest.raises(CommandError, match="model:package_missing"):
        call_command("install_package", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="no site"):
        call_command("install_package", str(tmp_path), site="nowhere")
    assert not ModelPackage.objects.exists()
