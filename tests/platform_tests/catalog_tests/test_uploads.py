"""Packages and ONNX files over HTTP: installed, validated, built; refused with a code and a row; for administrators alone."""

from __future__ import annotations

import datetime
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Role, Site, User
from accounts.services import user_create
from catalog.api import package_serializers as shapes
from catalog.check_orders import check_order, output_prefix
from catalog.models import CheckKind, CheckState, ModelPackage, PackageCheck, PackageUpload
from catalog.package_files import package_zip
from catalog.uploads import uploads_resume
from common import clock
from common.object_store import ObjectStore
from inference_worker.contract.checks import CheckEvent, CheckItem, CheckProgress, CheckReport, Verdict
from jobs.ledger import events_apply
from model_registry.packaging import package_verify
from model_registry.packaging.signature import key_pair_write
from tests.platform_tests.catalog_tests.test_archives import zipped
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import deployment_make, package_folder, package_in, shape_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/packages/uploads"
NOBODY = uuid.UUID(int=0, version=4)  # a constant, so that every process of a run collects the same names
FORM = {
    "name": "outside",
    "version": "1.2.3",
    "title": "From outside",
    "labels": ["normal", "cancer"],
    "profile": "grey-224",
    "suspicion_classes": ["cancer"],
    "statement": "Tests only.",
}


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    folder = package_folder(tmp_path / "made")
    return zipped({path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()})


def send(client: APIClient, data: bytes, *, kind: str = "package", **fields: Any) -> Any:
    file = SimpleUploadedFile("sent.bin", data)
    return client.post(URL, {"kind": kind, "file": file, **fields}, format="multipart")


def tell(check: PackageCheck, report: CheckReport) -> None:
    event = CheckEvent(
        event_id=uuid.uuid4().hex,
        check_id=str(check.pk),
        attempt=check.attempt,
        progress=CheckProgress.DONE,
        worker="worker-1",
        occurred_at=clock.now().isoformat(),
        report=report.to_wire(),
    )
    assert events_apply([event.to_wire()]).counts["check"] == 1


def report_of(verdict: str, *, code: str | None = None, **more: Any) -> CheckReport:
    item = CheckItem("build", Verdict(verdict), "as it happened", code)
    return CheckReport(passed=verdict != "failed", items=(item,), provider="cpu", software={}, **more)


def audited() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="package.").order_by("id").values_list("action", flat=True))


def test_a_package_comes_in_and_is_validated(store: ObjectStore, admin_api: APIClient, archive: bytes) -> None:
    answer = send(admin_api, archive)
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert set(body) == shape_of(shapes.PackageUploadSerializer())
    assert (body["kind"], body["state"], body["failure"], body["uploaded_by"]) == ("package", "INSTALLED", None, "administrator")
    assert answer["Location"].endswith(f"{URL}/{body['id']}")
    package = ModelPackage.objects.get(pk=body["package"])
    assert (package.installed_by.username, package.validation_state) == ("administrator", "QUEUED")  # type: ignore[union-attr]
    check = PackageCheck.objects.get()
    assert (check.kind, check.package, check.requested_by.username) == ("validate", package, "administrator")  # type: ignore[union-attr]
    assert admin_api.get(f"{URL}/{body['id']}").json() == body
    assert [row["id"] for row in admin_api.get(URL).json()["results"]] == [body["id"]]
    assert audited() == ["package.upload", "package.validate"]


def test_the_same_package_again_changes_nothing_and_is_not_proven_twice(
    store: ObjectStore, tmp_path: Path, admin_api: APIClient
) -> None:
    package = package_in(tmp_path)
    downloaded = b"".join(package_zip(package=package))
    assert send(admin_api, downloaded).json()["package"] == package.pk
    assert (ModelPackage.objects.count(), PackageCheck.objects.count()) == (1, 0)
    ModelPackage.objects.update(validation_state=CheckState.FAILED)
    send(admin_api, downloaded)
    assert PackageCheck.objects.count() == 1


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (lambda data: b"no archive", 422, "input:not_an_archive"),
        (lambda data: zipped({"readme.txt": b"hello"}), 422, "model:package_missing"),
        (lambda data: b"", 400, "input:invalid_field"),
    ],
)
def test_a_refused_file_leaves_its_reason_and_nothing_else(
    store: ObjectStore,
    settings: Any,
    admin_api: APIClient,
    archive: bytes,
    spoil: Callable[[bytes], bytes],
    status: int,
    code: str,
) -> None:
    answer = send(admin_api, spoil(archive))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ModelPackage.objects.count() == 0
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())
    if status == 422:
        upload = PackageUpload.objects.get()
        assert (upload.state, upload.failure_code) == ("REFUSED", code)
        assert admin_api.get(f"{URL}/{upload.pk}").json()["failure"]["code"] == code
        assert audited() == ["package.refused"]


def test_an_altered_file_is_refused_by_its_digest(store: ObjectStore, admin_api: APIClient, tmp_path: Path) -> None:
    folder = package_folder(tmp_path / "made")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files["model.onnx"] = files["model.onnx"][::-1]
    answer = send(admin_api, zipped(files))
    assert (answer.status_code, answer.json()["code"]) == (422, "model:digest_mismatch")


def test_an_unsigned_package_is_refused_where_signatures_are_asked_for(
    store: ObjectStore, settings: Any, tmp_path: Path, admin_api: APIClient, archive: bytes
) -> None:
    (tmp_path / "keys").mkdir()
    key_pair_write(private=tmp_path / "lab.key", public=tmp_path / "keys" / "lab.pem")
    settings.PACKAGE_TRUSTED_KEYS = str(tmp_path / "keys")
    assert send(admin_api, archive).json()["code"] == "model:signature_missing"
    assert send(admin_api, b"onnx", kind="onnx", form=json.dumps(FORM)).json()["code"] == "model:signature_missing"


def test_too_large_a_file_is_refused_while_it_arrives(store: ObjectStore, settings: Any, admin_api: APIClient) -> None:
    settings.PACKAGE_UPLOAD_MAX_BYTES = 1000
    answer = send(admin_api, b"x" * 5000)
    assert (answer.status_code, answer.json()["code"]) == (413, "input:too_large")
    assert PackageUpload.objects.count() == 0
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*"))


def built(store: ObjectStore, check: PackageCheck, folder: Path) -> CheckReport:
    """What a worker leaves in the store and reports."""
    package = package_verify(package_folder(folder))
    for path in sorted(package.folder.rglob("*")):
        if path.is_file():
            store.put_file(f"{output_prefix(check)}/{path.relative_to(package.folder).as_posix()}", path)
    return report_of("passed", package_key=output_prefix(check), package_digest=package.digest)


def onnx_sent(client: APIClient) -> tuple[PackageUpload, PackageCheck]:
    answer = send(client, b"a model", kind="onnx", form=json.dumps(FORM))
    assert answer.status_code == 202, answer.json()
    assert answer.json()["state"] == "BUILDING"
    return PackageUpload.objects.get(pk=answer.json()["id"]), PackageCheck.objects.get(kind=CheckKind.BUILD)


@pytest.mark.django_db(transaction=True)
def test_an_onnx_file_is_built_installed_and_validated(store: ObjectStore, admin_api: APIClient, tmp_path: Path) -> None:
    upload, check = onnx_sent(admin_api)
    order = check_order(check)
    assert (order.source_key, order.source_sha256, order.form) == (upload.object_key, upload.sha256, FORM)
    assert store.get_bytes(upload.object_key) == b"a model"
    tell(check, built(store, check, tmp_path / "built"))
    upload.refresh_from_db()
    assert (upload.state, upload.failure_code) == ("INSTALLED", "")
    assert upload.package is not None
    assert upload.package.validation_state == "QUEUED"
    assert not store.exists(upload.object_key)
    assert store.list_keys(f"checks/{check.pk}") == []
    assert audited() == ["package.build", "package.upload", "package.validate"]


@pytest.mark.django_db(transaction=True)
def test_a_package_other_than_the_reported_one_is_refused(store: ObjectStore, admin_api: APIClient, tmp_path: Path) -> None:
    upload, check = onnx_sent(admin_api)
    honest = built(store, check, tmp_path / "built").to_wire()
    tell(check, CheckReport.from_wire({**honest, "package_digest": "sha256:" + "0" * 64}))
    upload.refresh_from_db()
    assert (upload.state, upload.failure_code, upload.package) == ("REFUSED", "model:digest_mismatch", None)


@pytest.mark.django_db(transaction=True)
def test_a_build_that_fails_says_why(store: ObjectStore, admin_api: APIClient) -> None:
    upload, check = onnx_sent(admin_api)
    tell(check, report_of("failed", code="model:label_count_mismatch"))
    answer = admin_api.get(f"{URL}/{upload.pk}").json()
    assert (answer["state"], answer["failure"]["code"]) == ("REFUSED", "model:label_count_mismatch")
    assert not store.exists(upload.object_key)


@pytest.mark.django_db(transaction=True)
def test_what_was_built_is_installed_by_the_next_round_when_its_installer_died(
    store: ObjectStore, admin_api: APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, check = onnx_sent(admin_api)
    report = built(store, check, tmp_path / "built")
    with monkeypatch.context() as patched:
        patched.setattr("catalog.uploads.built_install", lambda **_: None)  # as if killed right after the commit
        tell(check, report)
    assert uploads_resume() == 0  # it may still be at work
    PackageCheck.objects.update(finished_at=clock.now() - datetime.timedelta(minutes=2))
    assert uploads_resume() == 1
    upload.refresh_from_db()
    assert upload.state == "INSTALLED"
    assert uploads_resume() == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["same", "same"]}, "labels"),
        ({"suspicion_classes": ["nobody"]}, "suspicion_classes"),
        ({"profile": "../../etc/passwd"}, "profile"),
        ({"name": "Upper Case"}, "name"),
        ({"threshold": 2}, "threshold"),
        ({"extra": 1}, "extra"),
        ({"title": "nul \x00"}, "title"),
        ({"statement": None}, "statement"),
    ],
)
def test_a_wrong_form_names_the_field(store: ObjectStore, admin_api: APIClient, changes: dict[str, Any], field: str) -> None:
    answer = send(admin_api, b"a model", kind="onnx", form=json.dumps(FORM | changes))
    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")
    assert field in {error["field"].partition("[")[0] for error in answer.json()["errors"]}
    assert PackageUpload.objects.count() == 0


@pytest.mark.parametrize("form", ["", "[]", "{", "[" * 5000])
def test_a_form_that_is_no_form_is_refused(store: ObjectStore, admin_api: APIClient, form: str) -> None:
    answer = send(admin_api, b"a model", kind="onnx", form=form)
    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")


def test_profiles_are_listed_for_the_form(admin_api: APIClient) -> None:
    listed = {row["name"]: row for row in admin_api.get("/api/v1/packages/profiles").json()["results"]}
    assert set(listed["rgb-224"]) == shape_of(shapes.ProfileSerializer())
    assert listed["rgb-224"]["title"] == "rgb-224: 224 x 224, grey3"


def test_a_validation_is_asked_for_and_read(store: ObjectStore, admin_api: APIClient, tmp_path: Path) -> None:
    package = package_in(tmp_path)
    asked = admin_api.post(f"/api/v1/packages/{package.pk}/validate")
    assert (asked.status_code, asked.json()["state"], asked.json()["report"]) == (202, "QUEUED", None)
    again = admin_api.post(f"/api/v1/packages/{package.pk}/validate")
    assert again.json()["id"] == asked.json()["id"]
    item = CheckItem("golden", Verdict.FAILED, "one.png: logits differ", "model:golden_mismatch", {"difference": 0.5}, 1.5)
    speed = [{"batch_size": 1, "median_seconds": 0.01, "images_per_second": 100.0, "peak_memory_bytes": 5}]
    tell(
        PackageCheck.objects.get(),
        CheckReport(passed=False, items=(item,), provider="cpu", software={"onnxruntime": "1"}, performance=speed),
    )
    read = admin_api.get(f"/api/v1/checks/{asked.json()['id']}").json()
    assert set(read) == shape_of(shapes.CheckSerializer())
    assert (read["state"], read["failure"]["code"]) == ("FAILED", "model:golden_mismatch")
    shown = read["report"]["items"][0]
    assert (shown["title"], shown["code"], shown["figures"]) == (
        "Golden inputs, from file to scores and maps",
        "model:golden_mismatch",
        {"difference": 0.5},
    )
    assert read["report"]["performance"] == speed
    listed = admin_api.get(f"/api/v1/packages/{package.pk}/validations").json()["results"]
    assert listed == [read]
    refused = admin_api.post("/api/v1/deployments/default/activate", {"package": package.pk, "reason": "it looks fine"})
    assert (refused.status_code, refused.json()["code"]) == (409, "model:validation_failed")
    assert admin_api.get(f"/api/v1/checks/{uuid.uuid4()}").status_code == 404


def test_an_archived_package_serves_nothing_new_and_comes_back(store: ObjectStore, admin_api: APIClient, tmp_path: Path) -> None:
    package = package_in(tmp_path)
    why = {"reason": "superseded by 2.0"}
    address = f"/api/v1/packages/{package.pk}"
    assert admin_api.post(f"{address}/archive", {"reason": "no"}).status_code == 400
    archived = admin_api.post(f"{address}/archive", why)
    assert (archived.status_code, archived.json()["archived_at"] is not None) == (200, True)
    activate = {"package": package.pk, **why}
    assert admin_api.post("/api/v1/deployments/default/activate", activate).json()["code"] == "model:package_archived"
    assert admin_api.post(f"{address}/unarchive", why).json()["archived_at"] is None
    assert admin_api.post("/api/v1/deployments/default/activate", activate).status_code == 200
    refused = admin_api.post(f"{address}/archive", why)
    assert (refused.status_code, refused.json()["code"]) == (409, "input:package_in_service")
    assert audited() == ["package.archive", "package.unarchive"]


def test_a_package_in_service_elsewhere_is_not_archived(
    store: ObjectStore, admin_api: APIClient, other_site: Site, tmp_path: Path
) -> None:
    package = deployment_make(tmp_path, site=other_site).package
    answer = admin_api.post(f"/api/v1/packages/{package.pk}/archive", {"reason": "not mine to see"})
    assert answer.json()["code"] == "input:package_in_service"


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("post", URL),
        ("get", URL),
        ("get", f"{URL}/{NOBODY}"),
        ("get", "/api/v1/packages/profiles"),
        ("get", f"/api/v1/checks/{NOBODY}"),
        ("get", "/api/v1/packages/sha256:0/validations"),
        *(("post", f"/api/v1/packages/sha256:0/{change}") for change in ("validate", "archive", "unarchive")),
    ],
)
def test_only_administrators(site: Site, client_of: Callable[[User], APIClient], role: Role, method: str, address: str) -> None:
    user = user_create(site=site, username="someone", password=PASSWORD, role=role)
    data = {"kind": "package", "file": io.BytesIO(b"x")} if (method, address) == ("post", URL) else {}
    answer = getattr(client_of(user), method)(address, data, **({"format": "multipart"} if data else {}))
    assert (answer.status_code, answer.json()["code"]) == (403, "auth:forbidden")
    assert AuditEntry.objects.filter(action__startswith="package.").count() == 0
