"""Packages on disk: what is read, what is proven, what is refused and with which code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.packaging import (
    DigestMismatch,
    InvalidPackage,
    PackageMissing,
    PackageTooLarge,
    manifest_digest,
    package_read,
    package_verify,
    package_write,
)

CONTENTS = {
    "model.onnx": b"\x08\x09not really onnx",
    "MODEL_CARD.md": b"# card\n",
    "golden/view.png": b"\x89PNG",
    "golden/view.npz": b"PK\x03\x04",
}


def manifest_fields() -> dict[str, object]:
    return {
        "name": "known-answer",
        "version": "1.0.0",
        "title": "Known answer",
        "classes": ("normal", "malignant"),
        "input_shape": (8, 8, 1),
        "preprocessing": {"name": "plain", "steps": [{"step": "display"}, {"step": "resize", "size_hw": (8, 8)}]},
        "explanation": {"targets": ("suspicion",), "cam_layer": "features", "grid_hw": (8, 8)},
        "suspicion": {"classes": ("malignant",), "target": "suspicion", "threshold": 0.5},
        "intended_use": {"statement": "tests"},
        "provenance": {
            "architecture": "none",
            "training_data": "none",
            "training_command": "none",
            "licence": "none",
            "parameters": 0,
            "created": "2025-01-01T00:00:00Z",
        },
        "golden": ({"image": "golden/view.png", "expected": "golden/view.npz"},),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package_write(folder=tmp_path / "known-answer-1.0.0", manifest=manifest_fields(), contents=CONTENTS)
    return tmp_path / "known-answer-1.0.0"


def test_a_written_package_verifies_and_keeps_its_digest(folder: Path) -> None:
    package = package_verify(folder)
    assert package.digest == manifest_digest((folder / "manifest.json").read_bytes())
    assert package_read(folder, expected_digest=package.digest).manifest == package.manifest
    assert package.model_path.read_bytes() == CONTENTS["model.onnx"]
    assert package.golden_paths(package.manifest.golden[0])[1].read_bytes() == CONTENTS["golden/view.npz"]
    assert package.size_bytes == sum(map(len, CONTENTS.values()))
    assert [entry.path for entry in package.manifest.files] == sorted(CONTENTS)


def test_the_same_contents_give_the_same_digest(folder: Path, tmp_path: Path) -> None:
    again = package_write(folder=tmp_path / "again", manifest=manifest_fields(), contents=dict(reversed(CONTENTS.items())))
    assert again.digest == package_read(folder).digest


def test_an_existing_package_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(FileExistsError):
        package_write(folder=folder, manifest=manifest_fields(), contents=CONTENTS)
    package_verify(folder)


def test_a_changed_byte_is_a_digest_mismatch(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "model.onnx").write_bytes(bytes(data))
    package_read(folder)  # reading is quick and does not hash
    with pytest.raises(DigestMismatch) as caught:
        package_verify(folder)
    assert caught.value.code == "model:digest_mismatch"
    assert "model.onnx" in caught.value.detail


def test_a_changed_size_is_noticed_without_hashing(folder: Path) -> None:
    with (folder / "MODEL_CARD.md").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DigestMismatch):
        package_read(folder)


def test_a_manifest_other_than_the_pinned_one_is_refused(folder: Path) -> None:
    with pytest.raises(DigestMismatch) as caught:
        package_verify(folder, expected_digest="sha256:" + "0" * 64)
    assert caught.value.code == "model:digest_mismatch"


def test_an_unlisted_file_is_refused(folder: Path) -> None:
    (folder / "golden" / "extra.so").write_bytes(b"")
    with pytest.raises(InvalidPackage, match="extra"):
        package_verify(folder)


def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CONTENTS["model.onnx"])
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidPackage) as caught:
        package_read(folder)
    assert caught.value.code == "model:invalid_package"


def test_a_linked_folder_inside_the_package_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "golden").rename(tmp_path / "elsewhere")
    (folder / "golden").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidPackage, match="link"):
        package_read(folder)


def test_a_linked_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").rename(tmp_path / "manifest.json")
    (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    with pytest.raises(InvalidPackage):
        package_read(folder)


def test_a_pipe_is_refused_without_waiting_for_it(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    with pytest.raises(InvalidPackage):
        package_verify(folder)


def test_a_missing_file_is_an_invalid_package(folder: Path) -> None:
    (folder / "golden" / "view.npz").unlink()
    with pytest.raises(InvalidPackage, match=r"view\.npz"):
        package_read(folder)


def test_no_folder_and_no_manifest_are_a_missing_package(tmp_path: Path) -> None:
    with pytest.raises(PackageMissing) as caught:
        package_read(tmp_path / "nowhere")
    assert caught.value.code == "model:package_missing"
    with pytest.raises(PackageMissing):
        package_read(tmp_path)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "golden/../../outside", "golden\\view.png", "a b"])
def test_a_path_that_leaves_the_package_is_refused(folder: Path, path: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][0]["path"] = path
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidPackage) as caught:
        package_read(folder)
    assert caught.value.code == "model:invalid_package"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"name": "x"}', b"\xff\xfe", b"[" * 100_000, b'{"files": ' + b"9" * 5000 + b"}"]
)
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(InvalidPackage):
        package_read(folder)


def test_an_unknown_field_is_refused_rather_than_ignored(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["tresholds"] = 0.4
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidPackage, match="tresholds"):
        package_read(folder)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    fields = manifest_fields() | {"classes": ("normal", "normal")}
    with pytest.raises(InvalidPackage):
        package_write(folder=tmp_path / "bad", manifest=fields, contents=CONTENTS)
    with pytest.raises(InvalidPackage):
        package_write(folder=tmp_path / "bad", manifest=manifest_fields(), contents={"../escape": b"", **CONTENTS})
    assert list(tmp_path.iterdir()) == []


def test_reading_packages_needs_neither_numpy_nor_onnx() -> None:
    code = "import sys, model_registry.packaging; print(sorted({'numpy', 'onnx', 'tensorflow', 'cv2'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"version": "1.0.0", "version": "6.6.6"', "twice"),
        ('"version": "1.0.0", "metrics": [{"name": "AUC", "value": NaN, "method": "m"}]', "NaN"),
        ('"version": "1.0.0", "metrics": [{"name": "AUC", "value": -Infinity, "method": "m"}]', "Infinity"),
        ('"version": "1.0.0", "metrics": [{"name": "AUC", "value": 1e999, "method": "m"}]', "1e999"),
        ('"version": "1.0.0", "x": ' + '{"x":' * 100_000 + "1" + "}" * 100_000, "deep"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(folder: Path, text: str, reason: str) -> None:
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"version": "1.0.0"', text))
    with pytest.raises(InvalidPackage, match=reason):
        package_read(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_refused_at_writing(tmp_path: Path, value: float) -> None:
    fields = manifest_fields() | {"metrics": ({"name": "AUC", "value": value, "method": "m"},)}
    with pytest.raises(InvalidPackage, match=r"metrics\.0\.value"):
        package_write(folder=tmp_path / "bad", manifest=fields, contents=CONTENTS)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_beside_the_files_is_refused(folder: Path) -> None:
    (folder / "golden" / "a").mkdir()
    with pytest.raises(InvalidPackage, match="golden/a"):
        package_verify(folder)


def test_a_manifest_that_lists_the_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPackage, match=r"signature\.json"):
        package_write(folder=tmp_path / "p", manifest=manifest_fields(), contents={**CONTENTS, "signature.json": b"{}"})


def test_more_files_than_any_package_has_are_refused(tmp_path: Path) -> None:
    many = {f"extra/{number}": b"" for number in range(4100)}
    with pytest.raises(InvalidPackage, match="4096 are accepted"):
        package_write(folder=tmp_path / "p", manifest=manifest_fields(), contents={**CONTENTS, **many})


def test_a_model_above_the_limit_is_refused_by_what_the_manifest_says(folder: Path) -> None:
    with pytest.raises(PackageTooLarge) as caught:
        package_verify(folder, model_bytes_maximum=3)
    assert caught.value.code == "model:too_large"
    package_verify(folder, model_bytes_maximum=len(CONTENTS["model.onnx"]))


def test_a_file_that_may_not_be_read_is_a_coded_error(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "model.onnx").chmod(0)
    with pytest.raises(InvalidPackage):
        package_verify(folder)
