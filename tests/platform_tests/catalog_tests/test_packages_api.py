"""Packages over HTTP: listed, in full, side by side, their files and the whole as a zip; for administrators alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Role, Site, User
from accounts.services import user_create
from catalog.api import package_serializers as shapes
from catalog.models import ModelPackage
from catalog.packages import package_install
from common import clock
from common.object_store import ObjectStore
from model_registry.packaging import package_verify, package_write
from tests.platform_tests.conftest import PASSWORD
from tests.platform_tests.jobs_tests.factories import deployment_make, job_make, package_folder, package_in, shape_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/packages"


@pytest.fixture
def admin_api(administrator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(administrator)


@pytest.fixture
def package(store: ObjectStore, tmp_path: Path) -> ModelPackage:
    return package_in(tmp_path)


def body(answer: Any) -> bytes:
    """All of a streamed answer."""
    return b"".join(answer.streaming_content)


def variant(parent: Path, *, version: str, extra: dict[str, bytes] | None = None, **fields: Any) -> ModelPackage:
    """The known answer with some of its manifest changed."""
    original = package_verify(package_folder(parent, name=f"base-{version}"))
    manifest = json.loads((original.folder / "manifest.json").read_bytes()) | {"version": version, **fields}
    contents = {entry["path"]: (original.folder / entry["path"]).read_bytes() for entry in manifest.pop("files")}
    return package_install(
        folder=package_write(folder=parent / f"variant-{version}", manifest=manifest, contents=contents | (extra or {})).folder
    )


@pytest.mark.parametrize("role", [Role.READER, Role.SUBMITTER])
@pytest.mark.parametrize("path", ["", "/compare?left=a&right=b", "/sha256:00", "/sha256:00/files/x", "/sha256:00/download"])
def test_only_administrators_read_packages(site: Site, client_of: Callable[[User], APIClient], role: Role, path: str) -> None:
    user = user_create(site=site, username="someone", password=PASSWORD, role=role)
    answer = client_of(user).get(URL + path)
    assert (answer.status_code, answer.json()["code"]) == (403, "auth:forbidden")


def test_packages_are_listed_by_what_becomes_of_them(
    store: ObjectStore, tmp_path: Path, site: Site, other_site: Site, admin_api: APIClient
) -> None:
    deployed = deployment_make(tmp_path, site=site, version="1.0.0").package
    available, archived = package_in(tmp_path, version="2.0.0"), package_in(tmp_path, version="3.0.0")
    elsewhere = deployment_make(tmp_path, site=other_site, version="4.0.0").package
    ModelPackage.objects.filter(pk=archived.pk).update(archived_at=clock.now())
    listed = {
        state: {row["digest"] for row in admin_api.get(f"{URL}?state={state}").json()["results"]}
        for state in ("", "deployed", "available", "archived")
    }
    assert listed == {
        "": {deployed.pk, available.pk, archived.pk, elsewhere.pk},
        "deployed": {deployed.pk},
        "available": {available.pk, elsewhere.pk},
        "archived": {archived.pk},
    }
    rows = {row["digest"]: row for row in admin_api.get(URL).json()["results"]}
    assert rows[deployed.pk]["deployed_as"] == [{"name": "default", "scope": "site", "site": "north"}]
    assert rows[elsewhere.pk]["deployed_as"] == []  # another site's pointers are not this administrator's to know
    assert [row["version"] for row in admin_api.get(f"{URL}?search=2.0").json()["results"]] == ["2.0.0"]
    assert admin_api.get(f"{URL}?search=KNOWN").json()["count"] == 4
    page = admin_api.get(f"{URL}?page_size=3").json()
    assert (page["count"], len(page["results"]), page["previous"]) == (4, 3, None)
    assert "page=2" in page["next"]


def test_a_longer_list_takes_no_more_queries(
    store: ObjectStore, tmp_path: Path, admin_api: APIClient, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        deployment_make(tmp_path, version=f"{number}.0.0", name=f"pointer-{number}")
    with django_assert_max_num_queries(6):
        assert admin_api.get(URL).json()["count"] == 4


def test_a_package_in_full(store: ObjectStore, package: ModelPackage, site: Site, tmp_path: Path, admin_api: APIClient) -> None:
    answer = admin_api.get(f"{URL}/{package.pk}")
    document = answer.json()
    assert document["manifest"]["classes"] == ["normal", "benign", "malignant"]
    assert document["card"] == (Path(store.path(package.object_key)) / "MODEL_CARD.md").read_text()
    assert {file["path"] for file in document["files"]} == {"model.onnx", "MODEL_CARD.md", "golden/view.png", "golden/view.npz"}
    assert (document["jobs"], document["checks"]) == (0, [])
    assert set(document) == shape_of(shapes.PackageDetailSerializer())
    assert admin_api.get(f"{URL}/{package.pk}", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    store.delete(f"{package.object_key}/MODEL_CARD.md")
    assert admin_api.get(f"{URL}/{package.pk}").json()["card"] is None
    missing = admin_api.get(f"{URL}/sha256:{'0' * 64}")
    assert (missing.status_code, missing.json()["code"]) == (404, "input:unknown_package")


def test_pinned_jobs_are_counted(store: ObjectStore, site: Site, tmp_path: Path, admin_api: APIClient) -> None:
    job = job_make(deployment_make(tmp_path), site)
    assert admin_api.get(f"{URL}/{job.package_id}").json()["jobs"] == 1


def test_comparing_says_what_differs_and_warns_of_the_order_of_labels(
    store: ObjectStore, tmp_path: Path, admin_api: APIClient
) -> None:
    left = variant(
        tmp_path, version="1.0.0", metrics=[{"name": "AUROC", "value": 0.8, "low": 0.7, "high": 0.9, "method": "test"}]
    )
    right = variant(
        tmp_path,
        version="2.0.0",
        classes=["malignant", "benign", "normal"],
        metrics=[{"name": "AUROC", "value": 0.9, "method": "test"}],
        suspicion={"classes": ["malignant"], "target": "suspicion", "threshold": 0.25},
    )
    document = admin_api.get(f"{URL}/compare?left={left.pk}&right={right.pk}").json()
    assert set(document) == shape_of(shapes.ComparisonSerializer())
    sections = {section["name"]: section for section in document["sections"]}
    assert list(sections) == ["labels", "preprocessing", "explanation", "thresholds", "metrics", "provenance", "files"]
    assert {name for name, section in sections.items() if section["same"]} == {"preprocessing", "explanation", "files"}
    metrics = {row["field"]: (row["left"], row["right"]) for row in sections["metrics"]["rows"]}
    assert metrics["AUROC"] == (0.8, 0.9)
    assert metrics["AUROC, 95 % interval"] == ([0.7, 0.9], [None, None])
    classes = next(row for row in sections["labels"]["rows"] if row["field"] == "classes")
    assert (classes["left"][0], classes["right"][0], classes["same"]) == ("normal", "malignant", False)
    assert "another order: left normal, benign, malignant; right malignant, benign, normal" in document["warnings"][0]
    assert any("above 0.5 on the left, 0.25 on the right" in warning for warning in document["warnings"])
    cautions = {caution["code"]: caution["values"] for caution in document["cautions"]}
    assert cautions["threshold_differs"] == {"left": "0.5", "right": "0.25"}
    assert cautions["labels_reordered"]["right"] == "malignant, benign, normal"
    assert [caution["message"] for caution in document["cautions"]] == document["warnings"]
    same = admin_api.get(f"{URL}/compare?left={left.pk}&right={left.pk}").json()
    assert (same["warnings"], {section["same"] for section in same["sections"]}) == ([], {True})
    assert admin_api.get(f"{URL}/compare?left={left.pk}").status_code == 404


def test_files_are_served_so_that_nothing_in_them_runs(store: ObjectStore, tmp_path: Path, admin_api: APIClient) -> None:
    plot = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    package = variant(tmp_path, version="1.0.0", extra={"plots/roc.svg": plot, "plots/page.html": b"<script>alert(1)</script>"})
    answer = admin_api.get(f"{URL}/{package.pk}/files/plots/roc.svg")
    assert body(answer) == plot
    assert answer["Content-Type"] == "image/svg+xml"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    page = admin_api.get(f"{URL}/{package.pk}/files/plots/page.html")
    assert (page["Content-Type"], page["Content-Disposition"]) == ("application/octet-stream", 'attachment; filename="page.html"')
    manifest = admin_api.get(f"{URL}/{package.pk}/files/manifest.json")
    assert json.loads(body(manifest))["version"] == "1.0.0"
    again = admin_api.get(f"{URL}/{package.pk}/files/plots/roc.svg", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["nothing.png", "../../x", "signature.json", "golden", "%2e%2e/%2e%2e/checks"])
def test_only_what_the_manifest_lists_is_opened(package: ModelPackage, admin_api: APIClient, path: str) -> None:
    assert admin_api.get(f"{URL}/{package.pk}/files/{path}").status_code == 404


def test_a_downloaded_package_verifies(package: ModelPackage, admin_api: APIClient, tmp_path: Path) -> None:
    answer = admin_api.get(f"{URL}/{package.pk}/download")
    assert answer.streaming
    assert answer["Content-Disposition"] == 'attachment; filename="known-answer-1.0.0.zip"'
    with zipfile.ZipFile(io.BytesIO(body(answer))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    package_verify(tmp_path / "unpacked" / "known-answer-1.0.0", expected_digest=package.pk)


def test_a_download_that_cannot_be_whole_is_refused_before_it_starts(
    store: ObjectStore, package: ModelPackage, admin_api: APIClient
) -> None:
    store.delete(f"{package.object_key}/model.onnx")
    answer = admin_api.get(f"{URL}/{package.pk}/download")
    assert answer.json()["code"] == "system:object_missing"
