"""A package from an ONNX file and a form, built in a child process: it comes out sound, or the report says what does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inference_worker.checks.build import build_run
from inference_worker.checks.build_child import carry_out
from inference_worker.checks.request import BuildRequest
from inference_worker.contract.checks import BUILD_ITEMS, CheckOrder, CheckReport, CheckTask
from inference_worker.contract.failures import CodedError
from inference_worker.object_store import ObjectStore
from model_registry.packaging import manifest_read, package_verify
from tests.inference_worker_tests.checks_tests.packages import items_of, plain_classifier
from tests.inference_worker_tests.factories import settings_for

FORM: dict[str, Any] = {
    "name": "from-outside",
    "version": "1.0.0",
    "title": "From outside",
    "labels": ["normal", "benign", "malignant"],
    "profile": "grey-224",
    "suspicion_classes": ["benign", "malignant"],
    "statement": "Tests only.",
    "threshold": 0.25,
}
PREFIX = "checks/check-1/1"


@pytest.fixture(scope="module")
def model() -> bytes:
    return plain_classifier(size=224).SerializeToString()


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., CheckReport]:
    def run(data: bytes, *, sha256: str | None = None, **form: Any) -> CheckReport:
        store = ObjectStore(url=f"file://{tmp_path}/store")
        store.write(key="uploads/one/model.onnx", data=data)
        order = CheckOrder(
            "check-1",
            1,
            CheckTask.BUILD,
            60,
            source_key="uploads/one/model.onnx",
            source_sha256=sha256 or f"sha256:{hashlib.sha256(data).hexdigest()}",
            form=FORM | form,
            output_prefix=PREFIX,
        )
        return build_run(order, store=store, settings=settings_for(tmp_path))

    return run


def failure(report: CheckReport) -> tuple[str, str | None, str]:
    assert not report.passed
    assert (report.package_key, report.package_digest) == (None, None)
    failed = next(item for item in report.items if item.verdict == "failed")
    return failed.name, failed.code, failed.detail


def test_a_file_and_a_form_become_a_sound_package(build: Callable[..., CheckReport], model: bytes, tmp_path: Path) -> None:
    report = build(model)
    assert report.passed, report.items
    assert [item.name for item in report.items] == list(BUILD_ITEMS)
    assert report.package_key == PREFIX
    folder = tmp_path / "store" / PREFIX
    manifest = manifest_read((folder / "manifest.json").read_bytes())
    assert (manifest.name, manifest.classes, manifest.suspicion.threshold) == ("from-outside", tuple(FORM["labels"]), 0.25)
    assert manifest.explanation.targets == ("normal", "benign", "malignant", "suspicion")
    assert "logits before the final Softmax" in report.items[2].detail
    package = package_verify(folder, expected_digest=report.package_digest)
    items = {item.name: item.verdict for item in items_of(package, tmp_path, BATCH_MAX_SIZE="2")}
    assert set(items.values()) == {"passed"}, items


@pytest.mark.parametrize(
    ("form", "code", "word"),
    [
        ({"labels": ["a", "b"], "suspicion_classes": ["b"]}, "model:label_count_mismatch", "2 labels"),
        ({"profile": "rgb-224"}, "model:shape_mismatch", "3 channels"),
        ({"suspicion_classes": ["nobody"]}, "input:invalid_field", "nobody"),
        ({"target": "nowhere"}, "model:not_buildable", "nowhere"),
    ],
)
def test_a_form_that_does_not_fit_the_file_is_said(
    model: bytes, tmp_path: Path, form: dict[str, Any], code: str, word: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(model)
    request = BuildRequest(str(tmp_path / "model.onnx"), str(tmp_path / "made"), parent=0, form=FORM | form)
    with ThreadPoolExecutor(1) as pool:
        item = pool.submit(carry_out, request).result()
    assert (item.verdict, item.code) == ("failed", code), item
    assert word in item.detail
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_no_model_never_reaches_the_engine(build: Callable[..., CheckReport]) -> None:
    assert failure(build(b"\x89PNG not a model at all"))[:2] == ("structure", "model:corrupt_onnx")


def test_a_file_that_was_altered_on_its_way_says_nothing_about_the_model(build: Callable[..., CheckReport], model: bytes) -> None:
    with pytest.raises(CodedError) as error:
        build(model, sha256="sha256:" + "0" * 64)
    assert error.value.code == "system:object_corrupt"
