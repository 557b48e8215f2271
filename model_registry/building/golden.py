"""Golden inputs: drawn breasts, so that no patient's image ships with a package, and what the exported graph answers for them.

One of the drawings is a DICOM object, MONOCHROME1 with a narrow window and a side marker, so that a machine that reproduces the
package has proven its DICOM, VOI and orientation code along with the model. Given files may stand in the drawings' place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
import onnx

from model_registry.building.errors import GoldenImageRefused, WrongChannels, WrongInput
from model_registry.building.sessions import session_create, session_run
from model_registry.packaging.manifest import TensorNames
from model_registry.packaging.profile import PreprocessingProfile
from model_registry.phantom.dicom import view_to_dicom
from model_registry.phantom.view import BITS_STORED, WINDOW_CENTRE, WINDOW_WIDTH, DrawnView
from model_registry.preprocessing import PreparedImage, PreprocessingError, image_decode, image_prepare

SIZE = 512
# (seed, chest wall on the right, lesion radius in pixels): without lesion, with a large one, with a small one on the other side
DRAWINGS = ((1, False, 0.0), (2, False, 30.0), (3, True, 14.0))
DICOM_DRAWING = (4, True, 22.0)
_MARKER_LEVEL = 235


def drawing_png(*, seed: int, chest_wall_right: bool, lesion_radius: float) -> bytes:
    """An 8-bit PNG of a half-ellipse with smooth texture and, on request, one bright round mass. Not a believable mammogram."""
    levels = _drawing_levels(seed=seed, chest_wall_right=chest_wall_right, lesion_radius=lesion_radius)
    return cv2.imencode(".png", levels.astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def drawing_dicom(*, seed: int, chest_wall_right: bool, lesion_radius: float) -> bytes:
    """Such a drawing as a Digital Mammography X-Ray Image: 12 bits, MONOCHROME1, windowed, JPEG lossless, with a side marker."""
    levels = _drawing_levels(seed=seed, chest_wall_right=chest_wall_right, lesion_radius=lesion_radius)
    place = (40, 80) if chest_wall_right else (SIZE - 80, 80)
    marker = np.zeros((SIZE, SIZE), np.uint8)
    cv2.putText(marker, "R" if chest_wall_right else "L", place, cv2.FONT_HERSHEY_SIMPLEX, 1.6, _MARKER_LEVEL, 4)
    levels = np.maximum(levels, marker)
    # odd sides, unlike the other drawings: at a whole factor between input and model, different resize kernels agree
    levels = levels[: SIZE - 7, 31:] if chest_wall_right else levels[: SIZE - 7, : SIZE - 31]
    # the drawing's 255 levels fill the middle of the window: below and above it the window must cut
    stored = WINDOW_CENTRE - 0.55 * WINDOW_WIDTH + levels / 255 * 1.1 * WINDOW_WIDTH
    view = DrawnView(
        image_laterality="R" if chest_wall_right else "L",
        view_position="MLO",
        pixels=np.rint(np.clip(stored, 0, 2**BITS_STORED - 1)).astype(np.uint16),
        lesions=(),
        pixel_spacing_mm=0.5,
        density="B",
        seed=seed,
        study_key=f"golden drawing {seed}",
        transfer_syntax="jpeg-lossless",
        photometric_interpretation="MONOCHROME1",
    )
    return view_to_dicom(view=view)


@cache
def drawings() -> tuple[tuple[str, bytes], ...]:
    """File names and contents of the drawn golden inputs, the same bytes every time."""
    found = [
        (f"drawing-{index}.png", drawing_png(seed=seed, chest_wall_right=right, lesion_radius=radius))
        for index, (seed, right, radius) in enumerate(DRAWINGS, start=1)
    ]
    seed, right, radius = DICOM_DRAWING
    dicom = drawing_dicom(seed=seed, chest_wall_right=right, lesion_radius=radius)
    return (*found, (f"drawing-{len(found) + 1}.dcm", dicom))


def golden_contents(
    *,
    model: onnx.ModelProto,
    profile: PreprocessingProfile,
    tolerance: float,
    images: Sequence[tuple[str, bytes]] | None = None,
    names: TensorNames | None = None,
    input_shape: tuple[int, int, int] | None = None,
    classes: Sequence[str] = (),
) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Files of the package (path → bytes) and the manifest's golden cases, from file bytes through the whole serving path.

    `images` are (file name, bytes), None for the drawings. `classes` in training order are kept beside the answers, so that the
    worker notices a manifest that names them in another order. Raises GoldenImageRefused, WrongInput where the profile makes
    another tensor than `input_shape`, NotRunnable.
    """
    names = names or TensorNames()
    session = session_create(model)
    contents: dict[str, bytes] = {}
    cases: list[dict[str, object]] = []
    for name, data in drawings() if images is None else images:
        stem, suffix = _plain_name(name)
        while f"golden/{stem}.npz" in contents:
            stem += "-again"
        prepared = golden_prepare(name=name, data=data, profile=profile)
        shape_check(found=prepared.tensor.shape, wanted=input_shape)
        logits, probabilities, heatmaps = session_run(session, names=names, batch=prepared.tensor[np.newaxis])
        stream = io.BytesIO()
        named: dict[str, Any] = {"classes": np.array(classes)} if classes else {}
        np.savez_compressed(stream, logits=logits[0], probabilities=probabilities[0], heatmaps=heatmaps[0], **named)
        contents[f"golden/{stem}{suffix}"] = data
        contents[f"golden/{stem}.npz"] = stream.getvalue()
        cases.append({"image": f"golden/{stem}{suffix}", "expected": f"golden/{stem}.npz", "tolerance": tolerance})
    return contents, cases


def golden_prepare(*, name: str, data: bytes, profile: PreprocessingProfile) -> PreparedImage:
    """One golden input as the model's tensor. Raises GoldenImageRefused."""
    try:
        prepared = image_prepare(image=image_decode(data=data, media_type=media_type_of(data)), profile=profile)
    except PreprocessingError as error:
        raise GoldenImageRefused(f"{PurePath(name).name}: {error}") from error
    if not prepared.assessable:
        raise GoldenImageRefused(f"{PurePath(name).name}: the profile {profile.name!r} finds no breast in it")
    return prepared


def shape_check(*, found: Sequence[int], wanted: Sequence[int] | None) -> None:
    """Raises WrongChannels or WrongInput, in words, where the profile's tensor is not what the graph takes."""
    if wanted is None or tuple(found) == tuple(wanted):
        return
    text = f"the profile makes {_sizes(found)}, the model takes {_sizes(wanted)}"
    if len(set(found) ^ set(wanted)) and sorted(found)[1:] == sorted(wanted)[1:]:
        raise WrongChannels(text)
    raise WrongInput(text)


def media_type_of(data: bytes) -> str:
    """What the first bytes announce; DICOM when neither PNG nor JPEG, for the decoder to judge. As the worker has it."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/jpeg" if data.startswith(b"\xff\xd8\xff") else "application/dicom"


def _drawing_levels(*, seed: int, chest_wall_right: bool, lesion_radius: float) -> np.ndarray:
    """(SIZE, SIZE) float64 in [0, 255]."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    inside = (columns / 330) ** 2 + ((rows - SIZE / 2) / 225) ** 2
    texture = sum(
        cv2.GaussianBlur(random.normal(size=(SIZE, SIZE)).astype(np.float32), (0, 0), sigma) * sigma * 14
        for sigma in (3.0, 9.0, 27.0)
    )
    image = 95 + 45 * np.clip(1 - inside, 0, 1) + texture
    if lesion_radius:
        row, column = SIZE / 2 + random.uniform(-60, 60), random.uniform(110, 200)
        image += 70 * np.exp(-0.5 * (np.hypot(rows - row, columns - column) / (0.7 * lesion_radius)) ** 2)
    edge = np.clip((1 - inside) * 12, 0, 1)
    levels = np.clip(image * edge, 0, 255)
    return np.ascontiguousarray(levels[:, ::-1] if chest_wall_right else levels)


def _plain_name(name: str) -> tuple[str, str]:
    """Stem and suffix that a manifest admits: a given file's name may say anything."""
    path = PurePath(PurePath(name).name)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")[:60] or "image"
    suffix = re.sub(r"[^A-Za-z0-9.]", "", path.suffix)[:10]
    return stem, "" if suffix == ".npz" else suffix


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)
