"""Makes what the benchmarks serve: an EfficientNetB2 package as the fifth reference system configures it, and its Keras twin.

The weights are random, with the last layer scaled so that scores spread out: speed and parity do not need a trained network, but
parity on scores that are all alike would prove nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model_registry.packaging import PackageMissing, PreprocessingProfile, package_read, package_write
from model_registry.packaging.profile import Channels, Display, Resize, Scale

NAME = "bench-efficientnet-b2"
VERSION = "1.0.0"
SEED = 11
EFFICIENTNET_PROFILE = PreprocessingProfile(
    name="efficientnet-b2-260",
    steps=(
        Display(voi="header"),
        Resize(size_hw=(260, 260), mode="stretch", kernel="cv2.linear"),
        Scale(multiply=255.0),
        Channels(layout="grey3"),
    ),
    tensor_layout="nhwc",
)


class BenchModel(NamedTuple):
    """`package` is the folder of the ONNX package; `keras_path` the same network as demos serve it: one sigmoid."""

    package: Path
    keras_path: Path


def efficientnet_b2_package(folder: Path) -> BenchModel:
    """Build both into `folder`, unless they are there. Takes about a minute and imports TensorFlow when it has to build."""
    package, keras_path = folder / f"{NAME}-{VERSION}", folder / f"{NAME}.keras"
    try:
        package_read(package)
        if keras_path.exists():
            return BenchModel(package, keras_path)
    except PackageMissing:
        pass
    import keras

    from model_registry.building.golden import golden_contents
    from model_registry.export.onnx_export import keras_to_onnx
    from model_registry.zoo.efficientnet import efficientnet_build

    keras.utils.set_random_seed(SEED)
    zoo_model = efficientnet_build(variant="b2")
    _scores_spread(zoo_model.keras_model, zoo_model.input_shape)
    folder.mkdir(parents=True, exist_ok=True)
    whole = zoo_model.keras_model
    probability = keras.layers.Activation("sigmoid", name="probability")(whole.get_layer("logit").output)
    keras.Model(whole.inputs, probability, name="efficientnet_b2").save(keras_path)
    exported = keras_to_onnx(zoo_model=zoo_model)
    golden, cases = golden_contents(model=exported.explained, profile=EFFICIENTNET_PROFILE, tolerance=1e-3)
    manifest: dict[str, object] = {
        "name": NAME,
        "version": VERSION,
        "title": "EfficientNetB2 with random weights, for measuring speed",
        "classes": zoo_model.classes,
        "input_shape": zoo_model.input_shape,
        "preprocessing": EFFICIENTNET_PROFILE,
        "explanation": {"targets": zoo_model.targets, "cam_layer": exported.cam_layer, "grid_hw": exported.grid_hw},
        "suspicion": {
            "classes": ("malignant",),
            "target": "malignant",
            "threshold": 0.5,
            "operating_point": "none: random weights",
        },
        "intended_use": {"statement": "Measures speed. Its answers mean nothing."},
        "provenance": {
            "architecture": zoo_model.architecture,
            "training_data": "none",
            "training_command": "python -m tests.benchmarks.packages_for_bench",
            "licence": "for benchmarks only",
            "parameters": zoo_model.parameters,
            "seed": SEED,
            "created": "2025-01-01T00:00:00Z",
        },
        "golden": cases,
    }
    contents = {
        "model.onnx": exported.explained.SerializeToString(deterministic=True),
        "MODEL_CARD.md": b"# EfficientNetB2 with random weights, for measuring speed\n",
        **golden,
    }
    package_write(folder=package, manifest=manifest, contents=contents)
    return BenchModel(package, keras_path)


def _scores_spread(keras_model: object, input_shape: tuple[int, int, int]) -> None:
    """Scale and centre the last layer so that noise images of different brightness get logits of about unit spread."""
    random = np.random.default_rng(SEED)
    levels = np.linspace(20, 235, 6)[:, None, None, None]
    images = np.clip(levels + random.normal(0, 40, (6, *input_shape)), 0, 255).astype(np.float32)
    z = np.asarray(keras_model(images, training=False)["logits"])[:, 1]  # type: ignore[operator]
    dense = keras_model.get_layer("logit")  # type: ignore[attr-defined]
    kernel, _ = dense.get_weights()
    dense.set_weights([kernel / z.std(), np.array([-z.mean() / z.std()], dtype=np.float32)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench-packages"))
    made = efficientnet_b2_package(parser.parse_args().out)
    sys.stdout.write(f"{made.package}\n{made.keras_path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
