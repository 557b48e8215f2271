"""Proves on this very machine that a package answers its golden inputs as it must, from file bytes to scores and maps.

Runs before a session serves its first job. Decides nothing about what happens to a package that fails.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import numpy as np

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.failures import CodedError
from inference_worker.segmentation import mask_holds_probabilities
from model_registry.packaging import Package
from model_registry.packaging.manifest import GoldenCase
from model_registry.preprocessing import PreprocessingError, image_decode, image_prepare


def golden_check(*, package: Package, run: Callable[[Array], ModelOutput]) -> None:
    """Run every golden case through decoding, preprocessing and the model.

    Logits and probabilities must agree within the case's tolerance (relative where values exceed 1), maps within the tolerance
    times the expected maximum. Where a case names its `classes`, they must be the manifest's, in its order: numbers alone stay
    right when labels change places. Raises model:golden_mismatch, or model:invalid_package when a case cannot be read.
    """
    for case in package.manifest.golden:
        tensor, expected = _case_read(package, case)
        output = run(tensor[np.newaxis]).image(0)
        if package.manifest.task == "segmentation" and not mask_holds_probabilities(output.heatmaps):
            raise CodedError("model:invalid_package", f"golden case {case.image}: the mask has values outside 0 to 1")
        for name, found, wanted in (
            ("logits", output.logits, expected.logits),
            ("probabilities", output.probabilities, expected.probabilities),
            ("heatmaps", output.heatmaps, expected.heatmaps),
        ):
            _agree(case, name, found, wanted)


def _case_read(package: Package, case: GoldenCase) -> tuple[Array, ModelOutput]:
    image_path, expected_path = package.golden_paths(case)
    try:
        data = image_path.read_bytes()
        image = image_decode(data=data, media_type=media_type_of(data))
        prepared = image_prepare(image=image, profile=package.manifest.preprocessing)
        with np.load(expected_path, allow_pickle=False) as arrays:
            expected = ModelOutput(*(np.asarray(arrays[name], np.float32) for name in ("logits", "probabilities", "heatmaps")))
            classes = tuple(map(str, arrays["classes"])) if "classes" in arrays else package.manifest.classes
    except (PreprocessingError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CodedError(
            "model:invalid_package", f"golden case {case.image}: {type(error).__name__}: {str(error)[:300]}"
        ) from error
    if classes != package.manifest.classes:
        raise CodedError("model:golden_mismatch", f"{case.image}: the answers are for {classes}, not {package.manifest.classes}")
    return prepared.tensor, expected


def _agree(case: GoldenCase, name: str, found: Array, wanted: Array) -> None:
    if found.shape != wanted.shape:
        raise CodedError("model:golden_mismatch", f"{case.image}: {name} has shape {found.shape}, expected {wanted.shape}")
    largest = float(np.abs(wanted).max(initial=0.0))
    scale = (largest or 1.0) if name == "heatmaps" else max(1.0, largest)
    difference = float(np.abs(found - wanted).max(initial=0.0))
    if not difference <= case.tolerance * scale:  # "not <=" so that NaN fails
        raise CodedError(
            "model:golden_mismatch", f"{case.image}: {name} differs by {difference:.3g}, allowed {case.tolerance * scale:.3g}"
        )


def media_type_of(data: bytes) -> str:
    """The media type that a file's first bytes announce; DICOM when neither PNG nor JPEG, for the decoder to judge."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "application/dicom"
