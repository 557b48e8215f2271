"""A package's golden inputs, from file bytes to scores and maps: what the model must answer, and whether it did.

Knows no engine: `run` is whatever gives the model's answer for a prepared image. Shared by the worker, which proves a package
where it will serve, and by `python -m model_registry verify`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_registry.packaging.manifest import GoldenCase, Manifest
from model_registry.packaging.package import Package
from model_registry.preprocessing.decode import image_decode
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.prepare import image_prepare

Array = npt.NDArray[np.float32]

#: How far outside [0, 1] rounding on any device can carry a probability.
ROUNDING = 1e-3
ITEM_BYTES_MAXIMUM = 4 * 64  # a class name of 64 letters as NumPy writes it


class GoldenFailure(Exception):
    """`code` is model:golden_mismatch, or model:invalid_package for a case that cannot be read."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


@dataclass(frozen=True, slots=True)
class GoldenAnswer:
    """What a model says of one image: `logits` and `probabilities` (classes,), `heatmaps` (targets, rows, columns)."""

    logits: Array
    probabilities: Array
    heatmaps: Array


def golden_prove(*, package: Package, run: Callable[[Array], GoldenAnswer]) -> float:
    """Run every golden case through decoding, preprocessing and `run`, which takes one image of the package's input shape.

    Logits and probabilities must agree within the case's tolerance (relative where values exceed 1), maps within the tolerance
    times the expected maximum. Where a case names its `classes`, they must be the manifest's, in its order: numbers alone stay
    right when labels change places. Returns the largest share of a tolerance that was used, 0 … 1. Raises GoldenFailure.
    """
    used = 0.0
    for case in package.manifest.golden:
        tensor, expected = _case_read(package, case)
        answer = run(tensor)
        if package.manifest.task == "segmentation" and not mask_holds_probabilities(answer.heatmaps):
            raise GoldenFailure("model:invalid_package", f"golden case {case.image}: the mask has values outside 0 to 1")
        for name in ("logits", "probabilities", "heatmaps"):
            used = max(used, _agree(case, name, getattr(answer, name), getattr(expected, name)))
    return used


def mask_holds_probabilities(masks: Array) -> bool:
    """Whether every value lies in [0, 1], give or take rounding."""
    return bool(masks.min(initial=0.0) >= -ROUNDING and masks.max(initial=0.0) <= 1.0 + ROUNDING)


def media_type_of(data: bytes) -> str:
    """The media type that a file's first bytes announce; DICOM when neither PNG nor JPEG, for the decoder to judge."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "application/dicom"


def golden_tensor(*, package: Package, case: GoldenCase) -> Array:
    """The case's image as the model takes it, without the batch axis. Raises GoldenFailure model:invalid_package."""
    tensor, _ = _case_read(package, case)
    return tensor


def _case_read(package: Package, case: GoldenCase) -> tuple[Array, GoldenAnswer]:
    image_path, expected_path = package.golden_paths(case)
    try:
        data = image_path.read_bytes()
        image = image_decode(data=data, media_type=media_type_of(data))
        prepared = image_prepare(image=image, profile=package.manifest.preprocessing)
        expected, classes = _answer_read(expected_path, package.manifest)
    except (PreprocessingError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        detail = f"golden case {case.image}: {type(error).__name__}: {str(error)[:300]}"
        raise GoldenFailure("model:invalid_package", detail) from error
    if classes != package.manifest.classes:
        raise GoldenFailure(
            "model:golden_mismatch", f"{case.image}: the answers are for {classes}, not {package.manifest.classes}"
        )
    return prepared.tensor, expected


def _answer_read(path: Path, manifest: Manifest) -> tuple[GoldenAnswer, tuple[str, ...]]:
    """The expected arrays and the classes they are for. Sizes are judged by each array's header: a small file may declare, or
    unpack to, more than the memory holds."""
    count = len(manifest.classes)
    shapes: dict[str, tuple[int, ...]] = {
        "logits": (count,),
        "probabilities": (count,),
        "heatmaps": (len(manifest.explanation.targets), *manifest.explanation.grid_hw),
        "classes": (count,),
    }
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if (key := name.removesuffix(".npy")) in shapes:
                _header_check(archive, name, wanted=shapes[key], path=path)
    with np.load(path, allow_pickle=False) as arrays:
        answer = GoldenAnswer(*(np.asarray(arrays[name], np.float32) for name in ("logits", "probabilities", "heatmaps")))
        return answer, tuple(map(str, arrays["classes"])) if "classes" in arrays else manifest.classes


def _header_check(archive: zipfile.ZipFile, name: str, *, wanted: tuple[int, ...], path: Path) -> None:
    with archive.open(name) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    if shape != wanted:
        raise GoldenFailure("model:golden_mismatch", f"{path.name}: {name} has shape {shape}, expected {wanted}")
    if dtype.hasobject or dtype.itemsize > ITEM_BYTES_MAXIMUM:
        raise ValueError(f"{name} holds elements of type {str(dtype)[:60]}")


def _agree(case: GoldenCase, name: str, found: Array, wanted: Array) -> float:
    """The share of the tolerance that the largest difference uses."""
    if found.shape != wanted.shape:
        raise GoldenFailure("model:golden_mismatch", f"{case.image}: {name} has shape {found.shape}, expected {wanted.shape}")
    largest = float(np.abs(wanted).max(initial=0.0))
    allowed = case.tolerance * ((largest or 1.0) if name == "heatmaps" else max(1.0, largest))
    difference = float(np.abs(found - wanted).max(initial=0.0))
    if not difference <= allowed:  # "not <=" so that NaN fails
        raise GoldenFailure("model:golden_mismatch", f"{case.image}: {name} differs by {difference:.3g}, allowed {allowed:.3g}")
    return difference / allowed if allowed else 0.0
