"""The named profiles: which there are, what they make, and how a name or a file that is none is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from model_registry.packaging import package_read
from model_registry.packaging.named_profiles import FOLDER, ProfileError, profile_named, profile_names, profile_read
from model_registry.packaging.profile import Resize
from model_registry.phantom import phantom_study
from model_registry.preprocessing import image_decode, image_prepare
from tests.model_registry_tests.preprocessing_tests.factories import png_bytes

# name → tensor shape and the largest value the first layer of its networks expects
SHAPES = {
    "clahe-227": ((227, 227, 1), 255.0),
    "film-384x256": ((384, 256, 2), 1.3),
    "grey-224": ((224, 224, 1), 1.0),
    "grey-244": ((244, 244, 1), 1.0),
    "grey-256": ((256, 256, 1), 1.0),
    "grey-2560x1440": ((2560, 1440, 1), 1.0),
    "grey-mask-224": ((224, 224, 4), 1.0),
    "grey-zero-mask-224": ((224, 224, 4), 1.0),
    "rgb-224": ((224, 224, 3), 1.0),
    "rgb-227": ((227, 227, 3), 1.0),
    "rgb255-224": ((224, 224, 3), 255.0),
    "rgb255-260": ((260, 260, 3), 255.0),
    "rgb255-300": ((300, 300, 3), 255.0),
}
PACKAGES = Path(__file__).resolve().parents[3] / "model_registry" / "packages"
SHIPPED = max(PACKAGES.glob("dog-fpn-film-*"))


def test_the_names_are_the_published_ones() -> None:
    assert profile_names() == tuple(sorted(SHAPES))


@pytest.mark.parametrize("name", SHAPES)
def test_a_profile_carries_its_files_name(name: str) -> None:
    # the shipped package's digest fixed the longer name before there were files
    assert profile_named(name).name == ("film-mlo-384x256" if name == "film-384x256" else name)


def test_the_film_profile_is_the_shipped_packages() -> None:
    film = profile_named("film-384x256")
    assert film == package_read(SHIPPED).manifest.preprocessing


@pytest.mark.parametrize("name", SHAPES)
def test_a_profile_makes_the_shape_and_range_its_networks_expect(name: str) -> None:
    view = phantom_study(seed=5, size_hw=(700, 561))[0]
    image = image_decode(data=view.to_dicom_bytes(), media_type="application/dicom")
    prepared = image_prepare(image=image, profile=profile_named(name))
    shape, maximum = SHAPES[name]
    assert prepared.tensor.shape == shape
    assert prepared.tensor.dtype == np.float32
    assert prepared.assessable
    assert 0.0 <= prepared.tensor.min() < maximum * 0.25
    picture = prepared.tensor[..., 0]
    assert maximum * 0.6 < picture.max() <= maximum  # a profile 255 times off cannot pass
    if shape[2] >= 3:
        np.testing.assert_array_equal(prepared.tensor[..., 1], picture)
        np.testing.assert_array_equal(prepared.tensor[..., 2], picture)


@pytest.mark.parametrize("hw", [(1, 1), (2, 3), (1, 5000), (3000, 2)])
@pytest.mark.parametrize("name", SHAPES)
def test_a_picture_of_any_size_becomes_a_finite_tensor(name: str, hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, hw, dtype=np.uint8)
    prepared = image_prepare(image=image_decode(data=png_bytes(pixels), media_type="image/png"), profile=profile_named(name))
    assert prepared.tensor.shape == SHAPES[name][0]
    assert np.isfinite(prepared.tensor).all()
    assert prepared.tensor.max() <= SHAPES[name][1]
    assert prepared.tensor.min() >= 0


def test_the_mask_profiles_fill_the_fourth_channel_from_the_picture_alone_or_not_at_all() -> None:
    view = phantom_study(seed=5, size_hw=(700, 561))[0]
    image = image_decode(data=view.to_dicom_bytes(), media_type="application/dicom")
    breast = image_prepare(image=image, profile=profile_named("grey-mask-224")).tensor
    empty = image_prepare(image=image, profile=profile_named("grey-zero-mask-224")).tensor
    assert empty[..., 3].max() == 0.0
    assert 0.1 < breast[..., 3].mean() < 0.9
    assert breast[..., 0][breast[..., 3] == 0].max() == 0.0
    inside = breast[..., 3] == 1.0
    np.testing.assert_array_equal(breast[inside][:, 0], empty[inside][:, 0])


@pytest.mark.parametrize("name", ["", "clahe", "../profiles/clahe-227", "clahe-227\n", "a" * 200, "clahe-227/", "/etc/passwd"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_told(name: str) -> None:
    with pytest.raises(ProfileError, match="clahe-227") as caught:
        profile_named(name)
    assert caught.value.code == "profile:unknown"


def test_a_profile_is_read_by_name_by_path_and_by_the_text_of_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_bytes((FOLDER / "grey-244.json").read_bytes().replace(b'"grey-244"', b'"own"'))
    assert profile_read(path).name == "own"
    assert profile_read(str(path)) == profile_read(path)
    assert profile_read("grey-244").steps == profile_read(path).steps


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "own.json"),
        (b"\xff\xfe", "own.json"),
        (b"[" * 20000, "own.json"),
        (b'{"name": "own", "steps": [{"step": "sharpen"}]}', "steps.0"),
        (b'{"name": "own", "steps": [{"step": "clahe", "clip": 2}]}', "clip"),
        (b'{"name": "own", "steps": [], "order": "rgb"}', "order"),
        (b" " * 70000, "larger than 65536"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=re.escape(words)) as caught:
        profile_read(path)
    assert caught.value.code == "profile:invalid"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        profile_read(tmp_path / "none.json")
    assert caught.value.code == "profile:unreadable"
    assert str(tmp_path) not in str(caught.value)


def test_every_profile_names_its_kernel() -> None:
    """A kernel left to a default would change with it."""
    for name in SHAPES:
        for step in profile_named(name).steps:
            assert not isinstance(step, Resize) or "kernel" in step.model_fields_set, name
