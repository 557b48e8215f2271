"""Every published recipe as a real Keras network, and Keras's own answers to hold the product's against.

What a recipe must say (profile, input, units of the last layer) is written down here a second time, beside the shipped training
configuration it is built from. The weights are random; the last layer is brought to answers that are neither equal nor certain.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from model_registry.building.golden import drawings
from model_registry.building.package_build import PackageFacts, package_build
from model_registry.packaging import Package
from model_registry.packaging.manifest import IntendedUse, Provenance
from model_registry.packaging.named_profiles import profile_named
from model_registry.training.assembly import network_export
from model_registry.training.config import TrainingConfig
from model_registry.training.config_read import config_path, config_read
from model_registry.training.networks import network_build
from model_registry.zoo.model import ZooModel
from tests.model_registry_tests.preprocessing_tests.reference_packages import S0, S1, S2, S3, S4, levels_of
from tests.model_registry_tests.preprocessing_tests.reference_recipes import RECIPES, variants

#: The DICOM drawing first: most mistakes show in its header and its odd sides.
GOLDEN = tuple(sorted(drawings(), key=lambda drawn: not drawn[0].endswith(".dcm")))[:2]
_SHOWN = ("mono1, VOI table before window", "14 bits, two windows")


_LESION = ("no lesion", "lesion")


@dataclass(frozen=True)
class Recipe:
    """What a published system says of one shipped configuration. `changes` thin the network, or put a light one in its place."""

    config: str
    profile: str
    shape: tuple[int, int, int]
    labels: tuple[str, ...]
    units: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: Half of what golden inputs allow. Untrained layers' terms cancel, which costs float32 three of its seven digits.
    tolerance: float = 5e-4

    def training(self) -> TrainingConfig:
        changes = {**self.changes, "model": {"weights_path": None, **self.changes.get("model", {})}}
        return config_read(config_path(self.config), variables={"DATA": "", "WEIGHTS": ""}, changes=changes)


def _light(**model: Any) -> dict[str, Any]:
    """A small network in the place of a deep one; what it learns, and how, is nothing here."""
    return {"model": model, "phases": [{"epochs": 1, "learning_rate": 1e-3}]}


#: Every profile with a network that converts in seconds: the recipe's own, or a light one with its head where that is deep.
QUICK = {
    "clahe-cnn": Recipe("clahe-cnn", "clahe-227", (227, 227, 1), S0, 3),
    "density-simple": Recipe("density-simple", "rgb-224", (224, 224, 3), S1, 8),
    "density-alexnet, thin": Recipe("density-alexnet", "rgb-227", (227, 227, 3), S1, 8, _light(options={"width": 0.25})),
    "callback-cnn": Recipe("callback-cnn", "grey-244", (244, 244, 1), S2, 4),
    "baseline": Recipe("baseline", "grey-224", (224, 224, 1), S3, 3),
    "multi-branch, light": Recipe("multi-branch", "grey-mask-224", (224, 224, 4), S3, 3, _light(family="narrower")),
    "multi-branch as served, light": Recipe(
        "multi-branch",
        "grey-zero-mask-224",
        (224, 224, 4),
        S3,
        3,
        {**_light(family="narrower"), "preprocessing": "grey-zero-mask-224"},
    ),
    "narrower-2560x1440, light": Recipe(
        "narrower-2560x1440",
        "grey-2560x1440",
        (2560, 1440, 1),
        S3,
        3,
        _light(family="alexnet", options={"width": 0.02}),
    ),
    "efficientnet-b0, light": Recipe("efficientnet-b0", "rgb255-224", (224, 224, 3), S4, 1, _light(family="narrower")),
    "efficientnet-b2, light": Recipe("efficientnet-b2", "rgb255-260", (260, 260, 3), S4, 1, _light(family="narrower")),
    "efficientnet-b3, light": Recipe("efficientnet-b3", "rgb255-300", (300, 300, 3), S4, 1, _light(family="narrower")),
    "modified-unet, thin": Recipe("modified-unet", "grey-256", (256, 256, 1), _LESION, 1, {"model": {"options": {"width": 4}}}),
}
SLOW = {
    "density-shufflenet": Recipe("density-shufflenet", "rgb-224", (224, 224, 3), S1, 8),
    "density-densenet121": Recipe("density-densenet121", "rgb-224", (224, 224, 3), S1, 8),
    "density-efficientnetv2-b0": Recipe("density-efficientnetv2-b0", "rgb255-224", (224, 224, 3), S1, 8),
    "callback-mobilenetv2": Recipe("callback-mobilenetv2", "grey-244", (244, 244, 1), S2, 4),
    "callback-resnet50": Recipe("callback-resnet50", "grey-244", (244, 244, 1), S2, 4),
    **{
        name: Recipe(name, "grey-224", (224, 224, 1), S3, 3)
        for name in ("naive-baseline", "overfitting", "regularised", "wider", "deeper", "narrower")
    },
    "multi-branch": Recipe("multi-branch", "grey-mask-224", (224, 224, 4), S3, 3),
    # its features are means over 230,000 cells each, which libraries add up in orders of their own
    "narrower-2560x1440": Recipe("narrower-2560x1440", "grey-2560x1440", (2560, 1440, 1), S3, 3, tolerance=5e-3),
    "two-class-vgg16": Recipe("two-class-vgg16", "rgb-224", (224, 224, 3), S4, 1),
    "efficientnet-b0": Recipe("efficientnet-b0", "rgb255-224", (224, 224, 3), S4, 1),
    "efficientnet-b2": Recipe("efficientnet-b2", "rgb255-260", (260, 260, 3), S4, 1),
    "efficientnet-b3": Recipe("efficientnet-b3", "rgb255-300", (300, 300, 3), S4, 1),
    "modified-unet": Recipe("modified-unet", "grey-256", (256, 256, 1), _LESION, 1),
}
#: Half a minute each to convert, and nothing in them is new: the network of one row above, profile, labels and head of another.
SIBLINGS = {
    "density-vgg16": (Recipe("density-vgg16", "rgb-224", (224, 224, 3), S1, 8), "two-class-vgg16", "density-densenet121"),
    "callback-vgg16": (Recipe("callback-vgg16", "grey-244", (244, 244, 1), S2, 4), "two-class-vgg16", "callback-resnet50"),
    "callback-densenet121": (
        Recipe("callback-densenet121", "grey-244", (244, 244, 1), S2, 4),
        "density-densenet121",
        "callback-resnet50",
    ),
}


class AnsweringNetwork:
    """The recipe's network in Keras, built as training builds it, and what Keras says of a picture."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.training = recipe, recipe.training()
        self.zoo_model: ZooModel = network_build(self.training, input_shape=recipe.shape, seed=7)
        model = self.zoo_model.keras_model
        self._last = model.get_layer("mask_logits" if self.zoo_model.task == "segmentation" else "logit")
        self._units = keras.Model(model.input, self._last.output)

    def units(self, tensors: np.ndarray) -> np.ndarray:
        """The last layer's units (N, units); of a mask, its highest pixel."""
        found = np.concatenate([self._units(tensor[np.newaxis], training=False) for tensor in tensors])
        return np.asarray(found.max(axis=(1, 2)) if found.ndim == 4 else found)

    def spread(self, tensors: np.ndarray) -> None:
        """Scale, turn and shift the last layer: over these pictures every unit has mean 0 and falls as its neighbour rises.

        Then no label can be the first of all of them, none is certain, and what all units had in common is gone.
        """
        raw = self.units(tensors).astype(np.float64)
        factor = np.linspace(0.8, 1.3, raw.shape[1]) / raw.std(axis=0)
        for unit in range(1, raw.shape[1]):
            together = np.corrcoef(raw[:, unit - 1] * factor[unit - 1], raw[:, unit])[0, 1]
            factor[unit] *= -np.sign(together)
        kernel, bias = self._last.get_weights()
        self._last.set_weights([kernel * factor, (bias - raw.mean(axis=0)) * factor])

    def answers(self, tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and probabilities (N, labels). One unit is the second label's log-odds, its sigmoid that label's probability."""
        units = self.units(tensors)
        if self.recipe.units > 1:
            return units, np.asarray(keras.ops.softmax(units, axis=-1))
        second = np.asarray(keras.ops.sigmoid(units))
        return np.concatenate([np.zeros_like(units), units], axis=1), np.concatenate([1 - second, second], axis=1)

    def package(self, folder: Path) -> Package:
        """Through the product's own export, explanation and packaging."""
        output = self.training.output
        facts = PackageFacts(
            name=output.name,
            version=output.version,
            title=output.title,
            classes=self.training.model.labels,
            suspicion_classes=output.suspicion_classes,
            threshold=0.5,
            task=self.zoo_model.task,
            batch_sizes=(1,),
            intended_use=IntendedUse(statement=output.statement),
            provenance=Provenance(
                architecture=self.zoo_model.architecture,
                training_data="none",
                training_command="none",
                licence="none",
                parameters=self.zoo_model.parameters,
                created="2026-01-01T00:00:00Z",
            ),
        )
        return package_build(
            folder=folder,
            exported=network_export(self.zoo_model, self.training),
            facts=facts,
            profile=profile_named(self.training.preprocessing),
            golden_images=GOLDEN,
            card="# a recipe\n",
        )


def tensor_of(recipe: Recipe, data: bytes) -> np.ndarray:
    """By the system's own library calls, never by the code under test."""
    return RECIPES[recipe.profile](levels_of(data))


def pictures() -> list[tuple[bytes, str]]:
    """(file, media type): DICOM objects with what real headers hold, and an unlike PNG and JPEG, which most systems read."""
    levels = Image.fromarray(levels_of(variants()["mono2, 12 bits, one window"].to_bytes()))
    shown = [(variants()[name].to_bytes(), "application/dicom") for name in _SHOWN]
    return [
        *shown,
        (_file(levels.point([level // 2 for level in range(256)]), "PNG"), "image/png"),
        (_file(levels.rotate(180), "JPEG"), "image/jpeg"),
    ]


def _file(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()
