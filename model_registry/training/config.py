"""What a training configuration may say: every field, its default and its bounds. Reads no files; see config_read.

An unknown field is an error. Lengths are in pixels of the network's input unless said; rates and fractions lie in 0 … 1.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from model_registry.packaging.manifest import Label, Slug
from model_registry.zoo.labels import LABEL_SCHEMES

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Monitor = Literal["val_loss", "val_auc", "val_pr_auc"]
Range = tuple[Positive, Positive]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Source(_Section):
    """One collection: its folder, its kind as `dataset inspect` names it, and the options of that kind's loader."""

    path: str
    kind: str = "auto"
    options: dict[str, Any] = Field(default_factory=dict)


class DataSection(Source):
    """Which collections, and which of their images. `also` are joined to the first; `classes` maps the collections' labels to the
    model's, where they differ."""

    also: tuple[Source, ...] = ()
    classes: dict[str, str] = Field(default_factory=dict)
    exclude_labels: tuple[str, ...] = ()
    exclude_images: tuple[str, ...] = ()
    unreadable: Literal["stop", "skip"] = "stop"


class ModelSection(_Section):
    """`labels`: a scheme's name or the labels in training order. `weights_path`: ImageNet weights of the base (.h5), or null;
    `init_path`: weights of the whole network from an earlier training (.npz)."""

    family: str
    labels: tuple[Label, ...]
    activation: Literal["softmax", "sigmoid"] = "softmax"
    options: dict[str, Any] = Field(default_factory=dict)
    weights_path: str | None = None
    init_path: str | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _scheme(cls, labels: Any) -> Any:
        if isinstance(labels, str):
            if labels not in LABEL_SCHEMES:
                raise ValueError(f"there is no scheme {labels!r}; there are {', '.join(LABEL_SCHEMES)}, or list the labels")
            return LABEL_SCHEMES[labels]
        return labels


class AugmentationSection(_Section):
    """Random changes of training images; none by default. Each is drawn uniformly from ± its value unless said.

    `zoom`, `aspect` and `gamma` are ranges of a factor, drawn uniformly on a log scale; `shear` is the tangent of the angle;
    `shift` a fraction of the side; flips are probabilities; `gain` multiplies by 1 ± it, `brightness` adds ± it of the full
    scale; `noise` is the highest standard deviation, as a fraction of full scale; `erase` the probability of erasing a box of at
    most `erase_area` of the image.
    """

    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    zoom: Range = (1.0, 1.0)
    aspect: Range = (1.0, 1.0)
    shear: Annotated[float, Field(ge=0, le=1)] = 0.0
    shift: Fraction = 0.0
    horizontal_flip: Fraction = 0.0
    vertical_flip: Fraction = 0.0
    gamma: Range = (1.0, 1.0)
    gain: Fraction = 0.0
    brightness: Fraction = 0.0
    noise: Fraction = 0.0
    erase: Fraction = 0.0
    erase_area: Fraction = 0.1

    @field_validator("zoom", "aspect", "gamma")
    @classmethod
    def _rises(cls, given: Range) -> Range:
        if given[0] > given[1]:
            raise ValueError("must be [lowest, highest]")
        return given


class CrossEntropy(_Section):
    """Cross-entropy of the image's label. Categorical and sparse are one computation; sigmoid networks get the binary form."""

    kind: Literal["categorical-crossentropy", "sparse-categorical-crossentropy"]
    label_smoothing: Fraction = 0.0


class Focal(_Section):
    """(1 − p)^γ · cross-entropy (Lin 2017). `alpha` weighs the second of two labels, 1 − alpha the first; more labels alike."""

    kind: Literal["focal"]
    gamma: NotNegative = 2.0
    alpha: Fraction | None = 0.25
    label_smoothing: Fraction = 0.0


class DenseLesion(_Section):
    """dog-fpn: cross-entropy of the image plus focal cross-entropy of the cells within lesion circles."""

    kind: Literal["dense-lesion"]
    label_smoothing: Fraction = 0.05
    cell_loss_weight: NotNegative = 1.0
    cell_weight_positive: Positive = 30.0
    positive_radius_factor: Positive = 0.85
    positive_radius_minimum: Positive = 6.4
    ignored_radius_factor: Positive = 1.4
    ignored_margin: NotNegative = 8.0


class DiceBce(_Section):
    """U-Net: soft Dice plus binary cross-entropy of lesion masks; a lesion known by its circle alone is drawn as a disc."""

    kind: Literal["dice-bce"]
    dice_weight: NotNegative = 1.0
    bce_weight: NotNegative = 1.0
    image_weight: NotNegative = 0.0


LossSection = Annotated[CrossEntropy | Focal | DenseLesion | DiceBce, Field(discriminator="kind")]


class OptimizerSection(_Section):
    """`weight_decay` acts on kernels only. `average_decay`: exponential average of weights, decay min(it, (1 + t)/(10 + t))."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: NotNegative = 0.0
    momentum: Fraction = 0.9
    nesterov: bool = False
    clip_norm: Positive | None = None
    average_decay: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _decay_has_an_optimizer(self) -> OptimizerSection:
        if self.weight_decay and self.name == "adam":
            raise ValueError("weight_decay needs adamw or sgd")
        return self


class LastLayers(_Section):
    """The last `last` layers of the pretrained base learn, with everything behind it."""

    last: Annotated[int, Field(ge=1)]


class TopFraction(_Section):
    """The last `fraction` of the base's layers learn, with everything behind it."""

    fraction: Annotated[float, Field(gt=0, le=1)]


class Phase(_Section):
    """One stretch of epochs at one peak rate. `trainable`: all, head, {last: N} or {fraction: F}."""

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    learning_rate: Positive
    trainable: Literal["all", "head"] | LastLayers | TopFraction = "all"


class Constant(_Section):
    kind: Literal["constant"] = "constant"


class OneCycle(_Section):
    """Cosine up from a `start_divisor`th within `warm_up` of the phase's steps, then cosine down to an `end_divisor`th."""

    kind: Literal["one-cycle"]
    warm_up: Fraction = 0.2
    start_divisor: Positive = 25.0
    end_divisor: Positive = 1e4


class Cosine(_Section):
    """Linear up within `warm_up` of the phase's steps, then cosine down to `floor` of the peak."""

    kind: Literal["cosine"]
    warm_up: Fraction = 0.0
    floor: Fraction = 0.0


class Plateau(_Section):
    """Constant, multiplied by `factor` whenever `monitor` has not improved for `patience` epochs."""

    kind: Literal["reduce-on-plateau"]
    monitor: Monitor = "val_loss"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=1)] = 2
    minimum: NotNegative = 0.0


ScheduleSection = Annotated[Constant | OneCycle | Cosine | Plateau, Field(discriminator="kind")]


class EarlyStopping(_Section):
    """Without `patience` nothing stops early and only the best epoch's weights are restored."""

    monitor: Monitor = "val_loss"
    patience: Annotated[int, Field(ge=1)] | None = None
    restore_best: bool = True


class ValidationSection(_Section):
    """How figures come about. k-fold by patient (folds the collection gives win) or one holdout (its own test split wins).

    Epochs are never chosen on the images the figures come from: a monitor looks at `monitor_fraction` of the training patients,
    set aside inside each fold.
    """

    method: Literal["k-fold", "holdout"] = "k-fold"
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    monitor_fraction: Annotated[float, Field(gt=0, le=0.5)] = 0.15


class OutputSection(_Section):
    """What the package declares. `final`: one network on everything, the best fold's, or all folds' averaged in one graph."""

    name: Slug
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.-][A-Za-z0-9.-]+)?$")] = "0.1.0"
    title: str
    suspicion_classes: tuple[Label, ...]
    final: Literal["everything", "best-fold", "ensemble"] = "everything"
    statement: str
    views: tuple[str, ...] = ()
    acquisitions: tuple[Literal["film", "digital"], ...] = ()
    not_validated: tuple[str, ...] = ()
    training_data: str = ""
    citation: str = ""
    licence: str = ""
    note: str = ""
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4, 8)
    image_to_breast: Literal["mean", "max_suspicion"] = "mean"
    breast_to_study: Literal["mean", "max_suspicion"] = "max_suspicion"


ClassWeights = Literal["none", "balanced", "sqrt"] | dict[str, Positive]


class TrainingConfig(_Section):
    """One training, whole. `preprocessing` is a profile's name or a .json file beside the configuration."""

    data: DataSection
    model: ModelSection
    preprocessing: str
    augmentation: AugmentationSection = AugmentationSection()
    class_weights: ClassWeights = "none"
    sampling: Literal["natural", "balanced"] = "natural"
    loss: LossSection
    optimizer: OptimizerSection = OptimizerSection()
    phases: tuple[Phase, ...] = Field(min_length=1)
    schedule: ScheduleSection = Constant()
    early_stopping: EarlyStopping | None = None
    validation: ValidationSection = ValidationSection()
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    output: OutputSection

    @model_validator(mode="after")
    def _is_consistent(self) -> TrainingConfig:
        labels = set(self.model.labels)
        if len(labels) != len(self.model.labels) or len(labels) < 2:
            raise ValueError("model.labels: at least two, all different")
        if not set(self.output.suspicion_classes) < labels or not self.output.suspicion_classes:
            raise ValueError(f"output.suspicion_classes: some, not all, of {', '.join(self.model.labels)}")
        if isinstance(self.class_weights, dict) and set(self.class_weights) != labels:
            raise ValueError(f"class_weights: name every label: {', '.join(self.model.labels)}")
        if foreign := set(self.data.classes.values()) - labels:
            raise ValueError(f"data.classes maps to {sorted(foreign)}; the labels are {', '.join(self.model.labels)}")
        if (self.model.family == "dog-fpn") != (self.loss.kind == "dense-lesion"):
            raise ValueError("loss dense-lesion and family dog-fpn belong together")
        if (self.model.family == "modified-unet") != (self.loss.kind == "dice-bce"):
            raise ValueError("loss dice-bce and family modified-unet belong together")
        return self

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    @property
    def monitors(self) -> bool:
        """Whether training patients are set aside to watch."""
        return self.early_stopping is not None or self.schedule.kind == "reduce-on-plateau"

    @property
    def digest(self) -> str:
        """sha256 of what decides the weights: everything but places and the package's words."""
        places: Any = {
            "data": {"path": True, "also": {"__all__": {"path"}}},
            "model": {"weights_path", "init_path"},
            "output": True,
        }
        # defaults are left out, so that a field added later does not orphan runs that never heard of it
        content = self.model_dump_json(exclude=places, exclude_defaults=True) + "|".join(self.output.suspicion_classes)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()
