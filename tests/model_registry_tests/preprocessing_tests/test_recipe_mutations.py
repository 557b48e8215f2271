"""What the reference systems got wrong, done to a served recipe one at a time: the package's golden inputs must notice each.

The package, its expected answers and its drawn golden inputs are right; the profile, the labels or the decoding is then changed
as those systems had it, and the worker's own check runs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import onnxruntime
import pytest
from PIL import Image

from inference_worker import golden
from inference_worker.batching import ModelOutput
from inference_worker.contract.failures import CodedError
from model_registry.building.golden import drawings
from model_registry.packaging import Package
from model_registry.packaging.profile import Channels, Clahe, Display, PreprocessingProfile, ProfileStep, Resize, Scale
from model_registry.preprocessing import DecodedImage, image_decode
from model_registry.preprocessing import golden as proof
from tests.model_registry_tests.preprocessing_tests.reference_packages import LABELS, reference_package

# one profile for each recipe and input variant; sizes of one recipe differ in nothing else
PROFILES = ("clahe-227", "rgb-224", "grey-244", "grey-224", "grey-mask-224", "rgb255-260", "grey-256")
KERNELS: tuple[str, ...] = get_args(Resize.model_fields["kernel"].annotation)
Mutation = Callable[[Sequence[ProfileStep]], list[ProfileStep]]


def session_run(package: Package) -> Callable[[np.ndarray], ModelOutput]:
    session = onnxruntime.InferenceSession(str(package.model_path), providers=["CPUExecutionProvider"])
    return lambda batch: ModelOutput(*session.run(["logits", "probabilities", "heatmaps"], {"image": batch}))


def refusal(package: Package, run: Callable[[np.ndarray], ModelOutput]) -> str:
    """The code of the golden check's refusal, "" where it has none."""
    try:
        golden.golden_check(package=package, run=run)
    except CodedError as error:
        return str(error.code)
    return ""


def with_manifest(package: Package, **changes: Any) -> Package:
    return replace(package, manifest=package.manifest.model_copy(update=changes))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Package, Callable[[np.ndarray], ModelOutput]]]:
    folder, images = tmp_path_factory.mktemp("packages"), drawings()
    built = {profile: reference_package(folder / profile, profile, images=images) for profile in PROFILES}
    return {profile: (package, session_run(package)) for profile, package in built.items()}


def left_out(steps: Sequence[ProfileStep], kind: type) -> list[ProfileStep]:
    return [step for step in steps if not isinstance(step, kind)]


def changed(steps: Sequence[ProfileStep], kind: type, **fields: Any) -> list[ProfileStep]:
    return [step.model_copy(update=fields) if isinstance(step, kind) else step for step in steps]


def divided_by_255(steps: Sequence[ProfileStep]) -> list[ProfileStep]:
    at = next(index for index, step in enumerate(steps) if isinstance(step, Channels))
    return [*steps[:at], Scale(multiply=1 / 255), *steps[at:]]


def equalised_too(steps: Sequence[ProfileStep]) -> list[ProfileStep]:
    at = next(index for index, step in enumerate(steps) if isinstance(step, Resize))
    return [*steps[: at + 1], Clahe(), *steps[at + 1 :]]


PROFILE_MUTATIONS: dict[str, Mutation] = {
    "divided by 255 twice": divided_by_255,
    "VOI ignored": partial(changed, kind=Display, voi="full_range"),
    "VOI by percentiles": partial(changed, kind=Display, voi="percentile"),
    "equalised once more": equalised_too,
}
CLAHE_MUTATIONS: dict[str, Mutation] = {
    "CLAHE left out": partial(left_out, kind=Clahe),
    "another clip limit": partial(changed, kind=Clahe, clip_limit=40.0),
    "other tiles": partial(changed, kind=Clahe, tile_grid=(4, 4)),
    "0–1 instead of 0–255": partial(left_out, kind=Scale),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_recipe_itself_passes(packages: dict[str, Any], profile: str) -> None:
    assert refusal(*packages[profile]) == ""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mutation", PROFILE_MUTATIONS)
def test_another_preprocessing_is_noticed(packages: dict[str, Any], profile: str, mutation: str) -> None:
    package, run = packages[profile]
    steps = PROFILE_MUTATIONS[mutation](package.manifest.preprocessing.steps)
    mutated = with_manifest(package, preprocessing=PreprocessingProfile(name="mutated", steps=tuple(steps)))
    assert refusal(mutated, run) == "model:golden_mismatch"


@pytest.mark.parametrize("mutation", CLAHE_MUTATIONS)
def test_another_equalisation_is_noticed(packages: dict[str, Any], mutation: str) -> None:
    package, run = packages["clahe-227"]
    steps = CLAHE_MUTATIONS[mutation](package.manifest.preprocessing.steps)
    mutated = with_manifest(package, preprocessing=PreprocessingProfile(name="mutated", steps=tuple(steps)))
    assert refusal(mutated, run) == "model:golden_mismatch"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_another_resize_kernel_is_noticed(packages: dict[str, Any], profile: str, kernel: str) -> None:
    package, run = packages[profile]
    steps = package.manifest.preprocessing.steps
    (resize,) = (step for step in steps if isinstance(step, Resize))
    mutated = with_manifest(
        package, preprocessing=PreprocessingProfile(name="mutated", steps=tuple(changed(steps, Resize, kernel=kernel)))
    )
    assert refusal(mutated, run) == ("" if kernel == resize.kernel else "model:golden_mismatch")


# ── decoding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def not_inverted(*, data: bytes, media_type: str) -> DecodedImage:
    return replace(image_decode(data=data, media_type=media_type), photometric_interpretation="MONOCHROME2")


def inverted_before_the_window(*, data: bytes, media_type: str) -> DecodedImage:
    image = image_decode(data=data, media_type=media_type)
    if image.photometric_interpretation == "MONOCHROME2":
        return image
    stored = (image.stored_range[1] - image.stored).astype(image.stored.dtype)
    return replace(image, stored=stored, photometric_interpretation="MONOCHROME2")


def red_and_blue_swapped(*, data: bytes, media_type: str) -> DecodedImage:
    if media_type == "image/png":
        blue_first = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert blue_first is not None
        data = png(blue_first)
    return image_decode(data=data, media_type=media_type)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("decode", [not_inverted, inverted_before_the_window])
def test_a_wrong_polarity_is_noticed(
    packages: dict[str, Any], profile: str, decode: Callable[..., DecodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "image_decode", decode)
    assert refusal(*packages[profile]) == "model:golden_mismatch"


@pytest.mark.parametrize("profile", PROFILES)
def test_swapped_colours_are_noticed_by_a_tinted_golden_input(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grey picture has no colours to swap, so only a tinted input can notice."""
    levels = np.asarray(Image.open(io.BytesIO(dict(drawings())["drawing-2.png"]))).astype(np.float64)
    tinted = png(np.stack([levels, levels * 0.8, levels * 0.4], axis=-1).astype(np.uint8))
    package = reference_package(tmp_path / "package", profile, images=[("tinted.png", tinted)])
    run = session_run(package)
    assert refusal(package, run) == ""
    monkeypatch.setattr(proof, "image_decode", red_and_blue_swapped)
    assert refusal(package, run) == "model:golden_mismatch"


# ── labels ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", PROFILES)
def test_labels_in_another_order_are_noticed(packages: dict[str, Any], profile: str) -> None:
    package, run = packages[profile]
    first, second, *others = package.manifest.classes
    assert refusal(with_manifest(package, classes=(second, first, *others)), run) == "model:golden_mismatch"
    assert refusal(with_manifest(package, classes=tuple(reversed(package.manifest.classes))), run) == "model:golden_mismatch"


@pytest.mark.parametrize("profile", PROFILES)
def test_units_of_the_head_in_another_order_are_noticed(packages: dict[str, Any], profile: str, tmp_path: Path) -> None:
    package, _ = packages[profile]
    order = [1, 0, *range(2, len(LABELS[profile][0]))]
    other = reference_package(tmp_path / "other", profile, images=drawings(), order=order)
    assert refusal(package, session_run(other)) == "model:golden_mismatch"


def test_the_labels_of_the_second_system_as_it_served_them_are_noticed(packages: dict[str, Any]) -> None:
    package, run = packages["grey-244"]
    served = ("Benign", "Malignant", "Normal", "Benign_Without_Callback")
    assert sorted(served) == sorted(package.manifest.classes)
    assert refusal(with_manifest(package, classes=served), run) == "model:golden_mismatch"
