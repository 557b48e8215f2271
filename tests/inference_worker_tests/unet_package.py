"""The zoo's U-Net, fitted to a few drawn studies until it finds their masses, exported and packaged: the real way, small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_registry.packaging import Package
from model_registry.packaging.manifest import IntendedUse, Provenance
from model_registry.packaging.profile import Channels, Display, PreprocessingProfile, Resize
from model_registry.phantom import PhantomView, phantom_study
from model_registry.preprocessing import image_decode, image_prepare
from model_registry.preprocessing.affine import invert, points_apply

CLASSES = ("no lesion", "lesion")


def profile_of(side: int) -> PreprocessingProfile:
    steps = (Display(), Resize(size_hw=(side, side), mode="fit"), Channels(layout="grey"))
    return PreprocessingProfile(name=f"fit-{side}", steps=steps)


def drawn_views(seeds: Sequence[int], *, size_hw: tuple[int, int] = (640, 512)) -> list[PhantomView]:
    """All views of a study with one mass for each seed."""
    return [view for seed in seeds for view in phantom_study(seed=seed, size_hw=size_hw, lesion="spiculated-mass")]


def unet_package(folder: Path, *, seeds: Sequence[int], side: int, width: int, steps: int) -> Package:
    """Fit, export and package. Takes TensorFlow."""
    import keras
    import tensorflow as tf

    from model_registry.building.package_build import PackageFacts, package_build
    from model_registry.export.onnx_export import keras_to_onnx
    from model_registry.zoo.registry import zoo_build

    keras.utils.set_random_seed(7)
    zoo_model = zoo_build(
        "modified-unet", classes=CLASSES, activation="sigmoid", input_shape=(side, side, 1), width=width, dropout=0.0
    )
    model = zoo_model.keras_model
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.7  # a few steps must be enough for the statistics that serving uses
    images, truths = (np.stack(arrays) for arrays in zip(*(_sample(view, side) for view in drawn_views(seeds)), strict=True))
    optimizer = keras.optimizers.Adam(5e-3)
    pixels = keras.Model(model.input, model.output["mask"])
    loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0, apply_class_balancing=True, alpha=0.9)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            value = loss(truths, pixels(images, training=True))
        gradients = tape.gradient(value, pixels.trainable_variables)
        optimizer.apply_gradients(zip(gradients, pixels.trainable_variables, strict=True))

    for _ in range(steps):
        step()
    facts = PackageFacts(
        name="unet-drawn",
        version="1.0.0",
        title="Masses in drawn studies, U-Net",
        classes=CLASSES,
        suspicion_classes=("lesion",),
        threshold=0.5,
        task="segmentation",
        intended_use=IntendedUse(statement="Finds drawn masses in drawn studies. For tests.", views=("CC", "MLO")),
        provenance=Provenance(
            architecture=zoo_model.architecture,
            training_data="drawn studies",
            training_command="none",
            licence="none",
            parameters=zoo_model.parameters,
            created="2026-01-01T00:00:00Z",
        ),
    )
    return package_build(
        folder=folder,
        exported=keras_to_onnx(zoo_model=zoo_model),
        facts=facts,
        profile=profile_of(side),
        card="# Masses in drawn studies\n",
    )


def _sample(view: PhantomView, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 1) input and truth: 1 inside the lesion's circle."""
    image = image_decode(data=view.to_dicom_bytes(), media_type="application/dicom")
    prepared = image_prepare(image=image, profile=profile_of(side))
    rows, columns = np.indices((side, side))
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1)
    source = points_apply(matrix=invert(prepared.model_from_source), points=centres)
    truth = np.zeros(side * side, np.float32)
    for lesion in view.lesions:
        truth[np.hypot(*(source - np.asarray(lesion.centre)).T) <= lesion.radius] = 1.0
    return prepared.tensor, truth.reshape(side, side, 1)
