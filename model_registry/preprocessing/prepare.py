"""From a decoded image to a model's input tensor, as a package's profile declares: the one code path of training and serving.

Reads like the profile: one small function a step, each taking and returning the picture so far. Not for decoding, and not
for batching: one image in, one tensor out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from model_registry.packaging.profile import (
    Channels,
    Clahe,
    Display,
    IsolateBreast,
    NormalisePercentile,
    PreprocessingProfile,
    ReduceTo,
    Resize,
    Scale,
)
from model_registry.preprocessing import affine
from model_registry.preprocessing.display import display_values
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.image import DecodedImage
from model_registry.preprocessing.isolate import breast_find
from model_registry.preprocessing.reduce import reduce_factor, stored_reduce
from model_registry.preprocessing.resize import picture_resize

NO_BREAST_FOUND = "no_breast_found"
WINDOW_ASSUMED = "window_assumed"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """A model's input and how it came about.

    `tensor` is one image in the profile's layout, float32, C-contiguous. `assessable` is False when no breast was found: the
    tensor then has the right shape and must not be judged. `cautions` are values of the contract's Caution.
    `model_from_source` (2, 3) float64 takes a (column, row) pixel centre of the decoded image to the model's input.
    `mask` is the breast in model-input space, bool (rows, columns), or None if the profile isolates none.
    """

    tensor: np.ndarray
    assessable: bool
    cautions: tuple[str, ...]
    model_from_source: np.ndarray
    mask: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """The picture between two steps. `stored` until Display, `values` (float32) after it, `mask` (float32, 0 … 1) after
    IsolateBreast. `eight_bit`: the values are whole levels of 255."""

    image: DecodedImage
    stored: np.ndarray
    source_map: np.ndarray
    values: np.ndarray | None = None
    mask: np.ndarray | None = None
    eight_bit: bool = False
    channels: str = "grey"
    cautions: tuple[str, ...] = ()

    def shown(self, step: str) -> np.ndarray:
        if self.values is None:
            raise PreprocessingError("model:invalid_package", f"profile step {step} stands before display")
        return self.values


def image_prepare(*, image: DecodedImage, profile: PreprocessingProfile) -> PreparedImage:
    """Carry out the profile. Raises PreprocessingError("model:invalid_package") when its steps contradict one another."""
    picture = _Picture(image=image, stored=image.stored, source_map=affine.identity())
    for step in profile.steps:
        picture = _STEPS[type(step)](picture, step)
    tensor = _tensor(picture, profile.tensor_layout)
    return PreparedImage(
        tensor=tensor,
        assessable=NO_BREAST_FOUND not in picture.cautions,
        cautions=picture.cautions,
        model_from_source=picture.source_map,
        mask=None if picture.mask is None else picture.mask >= 0.5,
    )


def _reduce_to(picture: _Picture, step: ReduceTo) -> _Picture:
    if picture.values is not None:
        raise PreprocessingError("model:invalid_package", "profile step reduce_to stands after display")
    factor = reduce_factor(hw=(picture.stored.shape[0], picture.stored.shape[1]), longer_side=step.longer_side)
    stored, reduced = stored_reduce(stored=picture.stored, factor=factor, padding=picture.image.padding)
    return replace(picture, stored=stored, source_map=affine.compose(after=reduced, before=picture.source_map))


def _display(picture: _Picture, step: Display) -> _Picture:
    if picture.values is not None:
        raise PreprocessingError("model:invalid_package", "profile step display stands twice")
    result = display_values(image=picture.image, stored=picture.stored, step=step)
    cautions = (*picture.cautions, WINDOW_ASSUMED) if result.window_assumed else picture.cautions
    return replace(picture, values=result.values, eight_bit=step.bits == 8, cautions=cautions)


def _isolate_breast(picture: _Picture, step: IsolateBreast) -> _Picture:
    values = picture.shown(step.step)
    breast = breast_find(values=values, step=step)
    if breast is None:
        nothing = np.zeros_like(values)
        return replace(picture, values=nothing, mask=nothing, cautions=(*picture.cautions, NO_BREAST_FOUND))
    mask = breast.mask.astype(np.float32)
    values = values * mask
    placed = affine.identity()
    if step.crop:
        top, left, bottom, right = breast.box
        values, mask = values[top:bottom, left:right], mask[top:bottom, left:right]
        placed = affine.shift(columns=-left, rows=-top)
    if step.orient and breast.chest_wall_right:
        placed = affine.compose(after=affine.mirror(columns=values.shape[1]), before=placed)
        values, mask = values[:, ::-1], mask[:, ::-1]
    return replace(
        picture,
        values=np.ascontiguousarray(values),
        mask=np.ascontiguousarray(mask),
        source_map=affine.compose(after=placed, before=picture.source_map),
    )


def _normalise_percentile(picture: _Picture, step: NormalisePercentile) -> _Picture:
    values = picture.shown(step.step)
    inside = values if picture.mask is None else values[picture.mask >= 0.5]
    if inside.size == 0:
        return replace(picture, values=np.zeros_like(values), eight_bit=False)
    low, high = (float(value) for value in np.percentile(inside, (step.low, step.high)))
    if high <= low:  # a flat picture has no contrast to normalise
        return replace(picture, values=np.zeros_like(values), eight_bit=False)
    normalised = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, np.float32(step.maximum))
    if picture.mask is not None:
        normalised *= picture.mask
    return replace(picture, values=normalised, eight_bit=False)


def _resize(picture: _Picture, step: Resize) -> _Picture:
    values = picture.shown(step.step)
    whole_levels = picture.eight_bit and not step.kernel.startswith("tf.")
    if whole_levels:
        levels, placed = picture_resize(values=_levels(values), step=step)
        values = levels.astype(np.float32) / np.float32(255)
    else:
        values, placed = picture_resize(values=values, step=step)
    mask = None if picture.mask is None else picture_resize(values=picture.mask, step=step)[0]
    source_map = affine.compose(after=placed, before=picture.source_map)
    return replace(picture, values=values, mask=mask, eight_bit=whole_levels, source_map=source_map)


def _clahe(picture: _Picture, step: Clahe) -> _Picture:
    columns, rows = step.tile_grid
    equaliser = cv2.createCLAHE(clipLimit=step.clip_limit, tileGridSize=(columns, rows))
    levels = equaliser.apply(_levels(picture.shown(step.step)))
    return replace(picture, values=levels.astype(np.float32) / np.float32(255), eight_bit=True)


def _scale(picture: _Picture, step: Scale) -> _Picture:
    values = picture.shown(step.step) * np.float32(step.multiply) + np.float32(step.add)
    return replace(picture, values=values, eight_bit=False)


def _channels(picture: _Picture, step: Channels) -> _Picture:
    return replace(picture, channels=step.layout)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0.0, 1.0) * np.float32(255)).astype(np.uint8)


def _tensor(picture: _Picture, layout: str) -> np.ndarray:
    values = picture.shown("channels")
    planes = [values] * (3 if picture.channels.startswith("grey3") else 1)
    if picture.channels.endswith("_mask"):
        # without an isolation step there is no mask: the channel stays empty, as the system that had it served it
        planes.append(np.zeros_like(values) if picture.mask is None else picture.mask)
    stacked = np.stack(planes, axis=-1 if layout == "nhwc" else 0)
    return np.ascontiguousarray(stacked, dtype=np.float32)


_STEPS: dict[type, Callable[[_Picture, Any], _Picture]] = {
    ReduceTo: _reduce_to,
    Display: _display,
    IsolateBreast: _isolate_breast,
    NormalisePercentile: _normalise_percentile,
    Resize: _resize,
    Clahe: _clahe,
    Scale: _scale,
    Channels: _channels,
}
