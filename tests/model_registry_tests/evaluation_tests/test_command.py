"""`evaluate` as a person uses it: a package on a folder of images, and every way of being refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from scipy.special import softmax

from model_registry.building.golden import golden_prepare
from model_registry.building.onnx_import import classifier_import
from model_registry.building.package_build import PackageFacts, package_build
from model_registry.building.sessions import session_create, session_run
from model_registry.cli import main
from model_registry.datasets.registry import dataset_read
from model_registry.evaluation.errors import EvaluationError
from model_registry.evaluation.package_run import package_answers, package_open
from model_registry.packaging import Package
from model_registry.packaging.manifest import Calibration, IntendedUse, Provenance
from tests.model_registry_tests.export_tests.small import PROFILE, classifier, tensors

CLASSES = ("normal", "benign", "malignant")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A classifier of three classes that was never trained."""
    found = classifier_import(
        classifier(columns=3), classes=CLASSES, suspicion_classes=CLASSES[1:], images=tensors(), tensor_layout="nhwc"
    )
    facts = PackageFacts(
        name="small",
        version="1.2.3",
        title="Small",
        classes=CLASSES,
        suspicion_classes=CLASSES[1:],
        threshold=0.6,
        intended_use=IntendedUse(statement="For tests."),
        provenance=Provenance(
            architecture="a", training_data="none", training_command="none", licence="none", parameters=1, created="2026-01-01"
        ),
        calibration=Calibration(temperature=2.0, fitted_on="nothing"),
        batch_sizes=(1, 4),
    )
    profile = PROFILE.model_copy(update={"tensor_layout": found.tensor_layout})
    return package_build(folder=tmp_path_factory.mktemp("out"), exported=found.exported, facts=facts, profile=profile)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each of fifteen patients, in folders named like the classes but for case; one file is no image."""
    folder = tmp_path_factory.mktemp("cases")
    random = np.random.default_rng(0)
    rows = ["file,patient_id"]
    for patient in range(15):
        label = ("Normal", "Benign", "Cancer")[patient % 3]
        (folder / label).mkdir(exist_ok=True)
        for view in range(2):
            name = f"{label}/p{patient}-{view}.png"
            level = 40 + 60 * (patient % 3)
            pixels = np.clip(level + random.normal(0, 25, (60, 50)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name)
            rows.append(f"{name},p{patient}")
    (folder / "Normal" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rows.append("Normal/broken.png,p99")
    (folder / "patients.csv").write_text("\n".join(rows))
    return folder


def run(package: Package, *words: str | Path) -> int:
    return main(["evaluate", str(package.folder), *map(str, words), "--draws", "100"])


def test_a_package_is_judged_on_a_folder_of_images(
    package: Package, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert run(package, "--data", collection, "--label", "Cancer=malignant", "--out", out) == 0
    said = capsys.readouterr().out
    assert "AUC abnormal against normal" in said
    assert "30 images of 15 patients" in said

    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert len(rows) == 31
    (refused,) = [row for row in rows if row["refusal"]]
    assert (refused["image_id"], refused["refusal"]) == ("Normal/broken.png", "dataset:image_unreadable")
    # each row is what the graph says of the very file, calibrated as the worker would
    session = session_create(onnx.load(package.model_path))
    for row in rows[:3]:
        data = (collection / row["image_id"]).read_bytes()
        tensor = golden_prepare(name="image.png", data=data, profile=package.manifest.preprocessing).tensor
        logits = session_run(session, names=package.manifest.tensors, batch=tensor[np.newaxis])[0]
        expected = softmax(logits[0] / 2.0)
        assert [float(row[f"probability {name}"]) for name in CLASSES] == pytest.approx(expected, abs=1e-5)
        assert float(row["suspicion"]) == pytest.approx(expected[1:].sum(), abs=1e-5)
        assert row["suspicious"] == ("yes" if expected[1:].sum() > 0.6 else "no")
        assert row["named"] == CLASSES[int(expected.argmax())]

    content = json.loads((out / "evaluation.json").read_text())
    assert content["package"] == {"name": "small", "version": "1.2.3", "digest": package.digest}
    assert (content["images"], content["patients"], content["temperature"]) == (30, 15, 2.0)
    report = (out / "report.md").read_text()
    assert "1 of 31 images have no answer" in report
    assert "nothing was fitted on these cases" in report
    for plot in ("roc", "pr", "confusion", "reliability", "scores"):
        assert f"plots/{plot}.svg" in report
        assert (out / "plots" / f"{plot}.svg").is_file()
    assert str(collection) not in report

    assert run(package, "--data", collection, "--label", "Cancer=malignant", "--out", out) == 2
    assert "evaluation:output_exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no class for Cancer"),
        (["--label", "Cancer=tumour"], "CLASS one of normal, benign, malignant"),
        (["--label", "Tumour=malignant"], "NAME one of Benign, Cancer, Normal"),
        (["--leave-out", "Tumour"], "the labels are Benign, Cancer, Normal"),
        (["--leave-out", "Cancer", "--split", "test"], "evaluation:split_unknown"),
    ],
)
def test_wishes_that_cannot_be_met_say_what_would_do(
    package: Package, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert run(package, "--data", collection, "--out", tmp_path / "out", *words) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_package_that_was_touched_is_refused_before_it_runs(
    package: Package, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(package.folder, tmp_path / package.folder.name)
    with (copy / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert main(["evaluate", str(copy), "--data", str(collection), "--out", str(tmp_path / "out")]) == 2
    assert "model:digest_mismatch" in capsys.readouterr().err


def test_a_collection_that_cannot_be_read_at_all_is_refused(package: Package, tmp_path: Path) -> None:
    for label in CLASSES:
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.png").write_bytes(b"no image")
    dataset = dataset_read(tmp_path)
    ordered = replace(dataset, classes=CLASSES)
    with pytest.raises(EvaluationError) as refused:
        package_answers(package=package_open(package.folder), dataset=ordered)
    assert refused.value.code == "evaluation:no_cases"
    with pytest.raises(EvaluationError) as refused:
        package_answers(package=package, dataset=dataset)  # classes in the folders' order, not the model's
    assert refused.value.code == "evaluation:unknown_label"
