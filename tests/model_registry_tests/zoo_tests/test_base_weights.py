"""Weights of a pretrained base from a local file, and which of its layers learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras.src.legacy.saving import legacy_h5_format  # noqa: E402  # writes files as keras.applications publishes them

from model_registry.zoo.errors import WeightsRefused, ZooError  # noqa: E402
from model_registry.zoo.fine_tuning import base_trainable  # noqa: E402
from model_registry.zoo.model import ZooModel  # noqa: E402
from model_registry.zoo.registry import zoo_build  # noqa: E402
from tests.model_registry_tests.explain_tests.tape import weights_spread  # noqa: E402

TWO = ("benign", "malignant")
SHAPE = (64, 64, 3)


def published_file(base: object, path: Path) -> Path:
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, base)
    return path


def mobilenet(alpha: float = 1.0) -> Any:
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=SHAPE, alpha=alpha)
    weights_spread(base)
    return base


def built(name: str, path: Path | None = None, channels: int = 3) -> ZooModel:
    return zoo_build(name, classes=TWO, activation="sigmoid", input_shape=(*SHAPE[:2], channels), weights_path=path)


def cam_of(zoo_model: ZooModel, images: np.ndarray) -> np.ndarray:
    return np.asarray(zoo_model.keras_model(images, training=False)["cam"])


def images_255(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, (2, *SHAPE[:2], channels)).astype(np.float32)


@pytest.mark.parametrize("form", ["published", "keras-3"])
def test_base_takes_its_weights_from_a_local_file(form: str, tmp_path: Path) -> None:
    base = mobilenet()
    if form == "published":
        path = published_file(base, tmp_path / "mobilenet_notop.h5")
    else:
        path = tmp_path / "mobilenet.weights.h5"
        base.save_weights(path)
    images = images_255() / 255
    expected = np.asarray(base(images, training=False))
    np.testing.assert_allclose(
        cam_of(built("mobilenetv2", path), images), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )
    assert np.abs(cam_of(built("mobilenetv2"), images) - expected).max() > 0.1 * np.abs(expected).max()


def test_grey_images_read_colour_weights(tmp_path: Path) -> None:
    base = mobilenet()
    path = published_file(base, tmp_path / "mobilenet_notop.h5")
    grey = images_255(1) / 255
    expected = np.asarray(base(np.repeat(grey, 3, axis=-1), training=False))
    np.testing.assert_allclose(
        cam_of(built("mobilenetv2", path, channels=1), grey), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


def test_efficientnet_scales_as_keras_does_with_its_own_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=SHAPE)
    (normalisation,) = [layer for layer in first.layers if isinstance(layer, keras.layers.Normalization)]
    normalisation.adapt_mean.assign([0.485, 0.456, 0.406])
    normalisation.adapt_variance.assign([0.229, 0.224, 0.225])
    normalisation.finalize_state()
    path = published_file(first, tmp_path / "efficientnetb0_notop.h5")
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    downloaded = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=SHAPE)
    images = images_255()
    expected = np.asarray(downloaded(images, training=False))
    np.testing.assert_allclose(cam_of(built("efficientnet-b0", path), images), expected, atol=1e-4 * np.abs(expected).max())
    unscaled = np.asarray(first(images, training=False))
    assert np.abs(unscaled - expected).max() > 1e-3 * np.abs(expected).max(), "the scale must matter, or nothing is compared"


def test_foreign_damaged_and_infinite_weights_are_refused(tmp_path: Path) -> None:
    base = mobilenet()
    right = published_file(base, tmp_path / "right.h5")
    small = mobilenet(alpha=0.35)
    foreign = published_file(small, tmp_path / "foreign.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(right.read_bytes()[:5000])
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    infinite = tmp_path / "infinite.h5"
    kernel = base.get_layer("Conv1").kernel
    kernel.assign(np.full(kernel.shape, np.inf))
    published_file(base, infinite)
    other = tmp_path / "weights.keras"
    other.write_bytes(b"PK")
    for path in (foreign, cut, empty, infinite, other, tmp_path / "missing.h5"):
        with pytest.raises(WeightsRefused, match=f"^model:weights_refused: .*{path.stem}"):
            built("mobilenetv2", path)


def test_the_two_phases_of_transfer_learning() -> None:
    vgg = built("vgg16")
    assert base_trainable(vgg, last=0) == 0
    assert [weight.path for weight in vgg.keras_model.trainable_weights] == ["logit/kernel", "logit/bias"]
    assert base_trainable(vgg, last=4) == 4  # three convolutions and their pool
    assert len(vgg.keras_model.trainable_weights) == 2 + 3 * 2
    branches = zoo_build("multi-branch", classes=("a", "b", "c"), input_shape=(64, 64, 4))
    learning = base_trainable(branches, fraction=0.3)
    top = branches.base_layers[-round(0.3 * len(branches.base_layers)) :]
    frozen = {name for name in top if not branches.keras_model.get_layer(name).trainable}
    assert frozen
    assert all(isinstance(branches.keras_model.get_layer(name), keras.layers.BatchNormalization) for name in frozen)
    assert learning == len(top) - len(frozen)
    assert branches.keras_model.get_layer("mask_block1_norm").trainable


def test_phases_without_a_base_or_beyond_it_are_refused() -> None:
    plain = zoo_build("narrower", classes=("a", "b"), input_shape=(64, 64, 1))
    with pytest.raises(ZooError, match="no pretrained base"):
        base_trainable(plain, last=1)
    vgg = built("vgg16")
    with pytest.raises(ZooError, match="not 100"):
        base_trainable(vgg, last=100)
    with pytest.raises(ZooError, match="either"):
        base_trainable(vgg)
