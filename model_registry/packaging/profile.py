"""The preprocessing profile a package declares: typed steps, in order, from a decoded image to the model's input tensor.

This module only says what a profile may contain; model_registry.preprocessing carries it out. Steps are applied in list
order to a grey image. Sizes are in pixels; `(rows, columns)` order throughout.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Step(BaseModel):
    """Base of all steps: immutable, and an unknown field is an error rather than a silent no-op."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Display(Step):
    """Stored values → display values in [0, 1], bright = dense: modality LUT, VOI, MONOCHROME1 inversion.

    `voi`: "header" uses the object's VOI LUT or window (`voi_index` chooses among several; without any, the full range of the
    stored bits); "full_range" ignores them; "percentile" windows between the `percentiles` of the non-padding pixels.
    `bits` quantises the result to that many levels first (8 reproduces a PNG made from the view); None keeps it continuous.
    """

    step: Literal["display"] = "display"
    voi: Literal["header", "full_range", "percentile"] = "header"
    voi_index: int = 0
    percentiles: tuple[float, float] = (0.5, 99.5)
    bits: int | None = None


class ReduceTo(Step):
    """Area-average the stored values by the largest whole factor that keeps the longer side at or above `longer_side`.

    Placed before Display it makes the window cost a fraction of the pixels, as a detector with larger elements would.
    """

    step: Literal["reduce_to"] = "reduce_to"
    longer_side: int = Field(ge=64)


class IsolateBreast(Step):
    """Find the breast, zero everything else (markers, tape, scan borders), orient the chest wall to the left, and crop.

    Parameters are in pixels of an image whose longer side is `working_size`; thresholds are in 8-bit grey levels.
    """

    step: Literal["isolate_breast"] = "isolate_breast"
    working_size: int = 512
    gaussian_sigma: float = 2.0
    percentile_offset: tuple[float, float] = (5.0, 8.0)
    otsu_fraction: float = 0.35
    otsu_ceiling: float = 40.0
    threshold_floor: float = 12.0
    border: int = 4
    opening_diameters: tuple[int, ...] = (11, 25)
    orient: bool = True
    crop: bool = True
    minimum_area_fraction: float = 0.02


class NormalisePercentile(Step):
    """v = clip((I − p_low) / (p_high − p_low), 0, maximum), percentiles taken inside the breast mask; zero outside it."""

    step: Literal["normalise_percentile"] = "normalise_percentile"
    low: float = 1.0
    high: float = 99.5
    maximum: float = 1.3


class Resize(Step):
    """Resize to `size_hw`. "stretch" ignores the aspect ratio; "fit" keeps it and pads with zeros.

    For "fit": the content is scaled by min((rows − 2·margin)/h, (columns − 2·margin)/w), set `margin_left` pixels (or margin)
    from the left when `align` is "left", else centred, and centred vertically. `kernel` names the library and the kernel,
    because the same word means different pixels in different libraries.
    """

    step: Literal["resize"] = "resize"
    size_hw: tuple[int, int]
    mode: Literal["stretch", "fit"] = "stretch"
    margin_rows: int = 0
    margin_columns: int = 0
    align: Literal["left", "centre"] = "centre"
    margin_left: int = 0
    kernel: Literal[
        "cv2.area",
        "cv2.linear",
        "cv2.cubic",
        "pil.bilinear",
        "pil.bicubic",
        "pil.lanczos",
        "pil.nearest",
        "tf.bilinear",
        "tf.bilinear_antialias",
    ] = "cv2.area"


class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation on 8-bit values (OpenCV's definition)."""

    step: Literal["clahe"] = "clahe"
    clip_limit: float = 2.0
    tile_grid: tuple[int, int] = (8, 8)


class Scale(Step):
    """Map display values [0, 1] to v · `multiply` + `add`, e.g. multiply 255 for a model that takes 0–255."""

    step: Literal["scale"] = "scale"
    multiply: float = 1.0
    add: float = 0.0


class Channels(Step):
    """What the channels are. "grey" (1), "grey3" (grey three times), "grey_mask" (grey, mask), "grey3_mask" (grey ×3, mask)."""

    step: Literal["channels"] = "channels"
    layout: Literal["grey", "grey3", "grey_mask", "grey3_mask"] = "grey"


ProfileStep = Annotated[
    Display | ReduceTo | IsolateBreast | NormalisePercentile | Resize | Clahe | Scale | Channels, Field(discriminator="step")
]


class PreprocessingProfile(BaseModel):
    """Named, ordered steps; `tensor_layout` is the memory order of one image in the model's input batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    steps: tuple[ProfileStep, ...]
    tensor_layout: Literal["nchw", "nhwc"] = "nhwc"

    @property
    def digest(self) -> str:
        """sha256 of the profile's canonical JSON: two results with the same digest were preprocessed alike."""
        import hashlib

        return "sha256:" + hashlib.sha256(self.model_dump_json().encode()).hexdigest()
