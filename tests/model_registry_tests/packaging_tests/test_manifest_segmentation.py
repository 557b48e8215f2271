"""What a manifest must say before a mask may take the heatmap's place."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model_registry.packaging.manifest import Manifest
from tests.model_registry_tests.packaging_tests.test_package import manifest_fields

MASK = {
    "method": "mask",
    "targets": ("malignant",),
    "cam_layer": "mask",
    "grid_hw": (8, 8),
    "reference_maximum": {"malignant": 1.0},
}
FILES = [
    {"path": path, "sha256": "sha256:" + "0" * 64, "size_bytes": 1}
    for path in ("model.onnx", "MODEL_CARD.md", "golden/view.png", "golden/view.npz")
]


def manifest(*, task: str = "segmentation", target: str = "malignant", **explanation: Any) -> Manifest:
    fields = manifest_fields() | {"task": task, "explanation": MASK | explanation, "files": FILES}
    fields["suspicion"] = {"classes": ("malignant",), "target": target, "threshold": 0.5}
    return Manifest.model_validate(fields)


def test_a_segmentation_package_declares_its_mask() -> None:
    read = manifest()
    assert (read.task, read.explanation.method, read.explanation.targets) == ("segmentation", "mask", ("malignant",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "classification"}, "go together"),
        ({"method": "grad-cam"}, "go together"),
        (
            {"target": "suspicion", "targets": ("suspicion",), "reference_maximum": {"suspicion": 1.0}},
            "background is no lesion",
        ),
        ({"targets": ("malignant", "normal"), "reference_maximum": {"malignant": 1.0, "normal": 1.0}}, "background is no lesion"),
        ({"targets": ("malignant", "malignant")}, "each once"),
        ({"reference_maximum": None}, "must be 1"),
        ({"reference_maximum": {"malignant": 0.4}}, "must be 1"),
        ({"reference_maximum": {}}, "must be 1"),
        ({"reference_maximum": {"malignant": 1.0, "normal": 1.0}}, "must be 1"),
    ],
)
def test_a_mask_that_could_mislead_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        manifest(**changes)
