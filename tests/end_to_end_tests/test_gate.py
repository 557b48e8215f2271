"""The gate before service, with real processes: what comes in is proven by a worker, and only what passed is put in service."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from model_registry.packaging import Package
from tests.end_to_end_tests.stack import Stack, wait_until
from tests.inference_worker_tests.checks_tests.packages import changed_package, plain_classifier, sound_package
from tests.inference_worker_tests.checks_tests.test_build import FORM
from tests.inference_worker_tests.checks_tests.test_validation import greedy, shifted_bias
from tests.inference_worker_tests.factories import png, square_image

pytestmark = [pytest.mark.processes, pytest.mark.timeout(200)]

OVER = {"PASSED", "FAILED"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(data_dir=tmp_path_factory.mktemp("gate"), SESSION_MEMORY_LIMIT_MB="256") as running:
        yield running


def zipped(package: Package) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in package.folder.rglob("*"):
            if path.is_file():
                archive.write(path, f"{package.manifest.name}/{path.relative_to(package.folder).as_posix()}")
    return stream.getvalue()


def upload(product: Stack, name: str, data: bytes, **fields: str) -> dict[str, Any]:
    answer = product.client.post("/api/v1/packages/uploads", files={"file": (name, data)}, data=fields)
    assert answer.status_code in (201, 202), answer.text
    return dict(answer.json())


def judged(product: Stack, digest: str) -> dict[str, Any]:
    """The latest validation of a package, once it is over, with its report."""

    def over() -> dict[str, Any] | None:
        newest = product.client.get(f"/api/v1/packages/{digest}").json()["checks"][0]
        return product.client.get(f"/api/v1/checks/{newest['id']}").json() if newest["state"] in OVER else None

    found = wait_until(over, limit_seconds=90, what=f"the validation of {digest}", every_seconds=0.3)
    assert found is not None
    return found


def activate(product: Stack, digest: str) -> httpx.Response:
    body = {"package": digest, "scope": "site", "reason": "because of tests"}
    return product.client.post("/api/v1/deployments/default/activate", json=body)


def test_only_what_a_worker_has_proven_is_put_in_service(product: Stack, tmp_path: Path) -> None:
    worker = product.pids()["worker"]
    sound = sound_package(tmp_path / "sound")
    wrong = changed_package(sound, tmp_path / "wrong", graph=shifted_bias, regolden=False, version="2.0.0")
    hostile = changed_package(sound, tmp_path / "hostile", graph=greedy, regolden=False, version="3.0.0")
    good, bad, evil = (upload(product, "package.zip", zipped(one), kind="package")["package"] for one in (sound, wrong, hostile))
    early = activate(product, good)
    assert (early.status_code, early.json()["code"]) == (409, "model:not_validated")
    built = upload(product, "model.onnx", plain_classifier(size=224).SerializeToString(), kind="onnx", form=json.dumps(FORM))

    report = judged(product, good)
    assert (report["state"], report["failure"]) == ("PASSED", None), report
    assert {item["verdict"] for item in report["report"]["items"]} == {"passed"}
    assert report["report"]["performance"][0]["median_seconds"] > 0
    assert activate(product, good).status_code == 200
    view = png(square_image(row=24, column=60))
    answer = product.submit([("view.png", view)], image_laterality="L", view_position="MLO")
    job = product.wait_ended(answer.json()["job"]["id"])  # beside the validations that are still under way
    assert (job["status"], job["package"]["digest"]) == ("SUCCEEDED", good)

    report = judged(product, bad)
    assert (report["state"], report["failure"]["code"]) == ("FAILED", "model:golden_mismatch")
    assert [item["name"] for item in report["report"]["items"] if item["verdict"] == "failed"] == ["golden"]
    refused = activate(product, bad)
    assert (refused.status_code, refused.json()["code"]) == (409, "model:validation_failed")

    report = judged(product, evil)
    assert (report["state"], report["failure"]["code"]) == ("FAILED", "model:out_of_memory")
    assert activate(product, evil).status_code == 409

    def is_built() -> dict[str, Any] | None:
        row = product.client.get(f"/api/v1/packages/uploads/{built['id']}").json()
        return row if row["state"] in ("INSTALLED", "REFUSED") else None

    installed = wait_until(is_built, limit_seconds=90, what="the ONNX file becomes a package", every_seconds=0.3)
    assert installed is not None
    assert installed["state"] == "INSTALLED", installed
    assert judged(product, installed["package"])["state"] == "PASSED"
    assert activate(product, installed["package"]).status_code == 200
    started = time.monotonic()
    back = product.client.post("/api/v1/deployments/default/rollback", json={"scope": "site", "reason": "because of tests"})
    answer = product.submit([("view.png", png(square_image(row=50, column=10)))], image_laterality="R", view_position="MLO")
    assert (back.status_code, time.monotonic() - started < 2) == (200, True)  # to the first submission that is pinned to it
    job = product.wait_ended(answer.json()["job"]["id"])
    assert (job["status"], job["package"]["digest"]) == ("SUCCEEDED", good)
    assert product.pids()["worker"] == worker
    assert psutil.pid_exists(worker)
