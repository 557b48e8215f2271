"""The numbers of the shipped model's recipe in one place. Chosen beforehand; no figure of a test fold went into them."""

from __future__ import annotations

from dataclasses import dataclass

from model_registry.packaging.profile import (
    Channels,
    Display,
    IsolateBreast,
    NormalisePercentile,
    PreprocessingProfile,
    ReduceTo,
    Resize,
)

FILM_MLO_PROFILE = PreprocessingProfile(
    name="film-mlo-384x256",
    steps=(
        ReduceTo(longer_side=512),
        Display(voi="header", bits=8),
        IsolateBreast(),
        NormalisePercentile(low=1.0, high=99.5, maximum=1.3),
        Resize(size_hw=(384, 256), mode="fit", margin_rows=4, margin_columns=4, align="left", margin_left=2, kernel="cv2.area"),
        Channels(layout="grey_mask"),
    ),
    tensor_layout="nhwc",
)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges of the random changes; each is drawn uniformly from ± its value unless said. Shifts are fractions of the side."""

    rotation_degrees: float = 18.0
    log_scale: float = 0.2
    shear: float = 0.12
    log_aspect: float = 0.1
    shift: float = 0.05
    vertical_flip: float = 0.3  # a probability
    log_gamma: float = 0.35
    gain: float = 0.15  # around 1
    offset: float = 0.08
    noise_sigma: float = 0.02  # drawn from 0 to this


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that training depends on besides data and seed. Lengths are in pixels of the network's input."""

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 2e-3
    warm_up: float = 0.2
    weight_decay: float = 0.05
    clip_norm: float = 2.0
    average_decay: float = 0.99
    label_smoothing: float = 0.05
    cell_loss_weight: float = 1.0
    cell_weight_positive: float = 30.0
    positive_radius_factor: float = 0.85
    positive_radius_minimum: float = 6.4
    ignored_radius_factor: float = 1.4
    ignored_margin: float = 8.0
    width: int = 32
    augmentation: Augmentation = Augmentation()
