"""Who is trained on and who is judged: whole patients, watched ones apart, the right range, masks where the source has them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow")

from model_registry.datasets.records import Dataset, ImageRecord
from model_registry.packaging.named_profiles import profile_read
from model_registry.training.config import TrainingConfig
from model_registry.training.config_read import config_read
from model_registry.training.errors import ConfigRefused, DataRefused
from model_registry.training.judging import cases_of
from model_registry.training.loop import Input
from model_registry.training.networks import network_build
from model_registry.training.plan import collection_prepare, input_check, parts_plan, watched_split
from model_registry.training.samples import samples_prepare
from tests.model_registry_tests.training_tests.drawn import (
    collection_write,
    config_of,
    config_write,
    given_of,
    pictures,
    profile_write,
)


def config_for(tmp_path: Path, *, patients: int = 12, **changes: Any) -> TrainingConfig:
    data = collection_write(tmp_path / "data", patients=patients)
    return config_read(config_write(tmp_path, **changes), variables={"DATA": str(data)})


def test_no_patient_is_on_both_sides_and_watched_ones_are_neither_trained_on_nor_judged(tmp_path: Path) -> None:
    config = config_for(
        tmp_path, patients=24, early_stopping={"monitor": "val_loss"}, validation={"folds": 3, "monitor_fraction": 0.25}
    )
    collection = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    parts = parts_plan(collection, config)
    assert [part.name for part in parts] == ["fold-0", "fold-1", "fold-2", "final"]
    judged: list[str] = []
    for part in parts:
        sides = [{sample.group for sample in side} for side in (part.training, part.watched, part.held_out)]
        assert not (sides[0] & sides[1])
        assert not (sides[0] & sides[2])
        assert not (sides[1] & sides[2])
        assert len(sides[0] | sides[1] | sides[2]) == 24
        assert {sample.label for sample in part.watched} == {0, 1}
        judged.extend(sample.image_id for sample in part.held_out)
    assert sorted(judged) == sorted(sample.image_id for sample in collection.samples)
    assert parts[-1].held_out == ()


def test_without_a_monitor_nobody_is_set_aside(tmp_path: Path) -> None:
    samples = pictures(tmp_path)
    assert watched_split(samples, config=config_of()) == (tuple(samples), ())


def test_a_torn_patient_is_refused(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    collection = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    first = collection.samples[0]
    torn = (*collection.samples, dataclasses.replace(first, fold=1 - first.fold))
    with pytest.raises(DataRefused, match="both sides"):
        parts_plan(dataclasses.replace(collection, samples=torn), config)


def test_a_holdout_judges_one_part_of_the_patients(tmp_path: Path) -> None:
    config = config_for(tmp_path, validation={"method": "holdout", "fraction": 0.25}, output={"final": "best-fold"})
    collection = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    (part,) = parts_plan(collection, config)
    assert (len(part.training), len(part.held_out)) == (18, 6)


def test_images_are_prepared_once_and_again_when_the_profile_changes(tmp_path: Path) -> None:
    config = config_for(tmp_path, patients=4)
    first = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    stamps = {sample.tensor_path: sample.tensor_path.stat().st_mtime_ns for sample in first.samples}
    again = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    assert {sample.tensor_path: sample.tensor_path.stat().st_mtime_ns for sample in again.samples} == stamps
    assert again.digest == first.digest
    text = (tmp_path / "small.json").read_text()
    (tmp_path / "small.json").write_text(text.replace("cv2.area", "cv2.linear"))
    other = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    assert other.digest != first.digest
    assert not {sample.tensor_path for sample in other.samples} & set(stamps)


def test_an_image_that_cannot_be_read_stops_or_is_skipped_as_asked(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    broken = Path(config.data.path) / "benign" / "p0-0.png"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(DataRefused, match=r"1 of 24 images cannot be used: p0-0.png \(input:.*exclude_images"):
        collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    skipping = config.model_copy(update={"data": config.data.model_copy(update={"unreadable": "skip"})})
    assert len(collection_prepare(skipping, base=tmp_path, cache=tmp_path / "cache").samples) == 23


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"classes": {"malignant": "bad"}}, "'malignant'.*none of"),
        ({"exclude_labels": ("malignant",)}, "no image of malignant"),
        ({"kind": "mias"}, "dataset:"),
        ({"path": "nowhere"}, "dataset:folder_missing"),
    ],
)
def test_a_collection_that_does_not_fit_is_refused_in_words(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    config = config_for(tmp_path, patients=4)
    config = config.model_copy(update={"data": config.data.model_copy(update=change)})
    with pytest.raises(DataRefused, match=expected):
        collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")


def test_two_collections_are_joined_and_their_labels_merged(tmp_path: Path) -> None:
    config = config_for(tmp_path, patients=4)
    more = collection_write(tmp_path / "more", patients=4, labels=("normal", "cancer"))
    data = {
        **config.data.model_dump(),
        "also": [{"path": str(more), "kind": "class-folders"}],
        "classes": {"cancer": "malignant"},
        "exclude_labels": ["normal"],
    }
    both = config_of(data=data, preprocessing="small.json", validation={"folds": 2})
    collection = collection_prepare(both, base=tmp_path, cache=tmp_path / "cache")
    assert np.bincount([sample.label for sample in collection.samples]).tolist() == [4, 8]


def test_a_range_the_network_does_not_expect_is_refused() -> None:
    config = config_of(model={"family": "clahe-cnn"})
    built = network_build(config, input_shape=(64, 64, 1))
    with pytest.raises(ConfigRefused, match="expects white to be 255, the profile makes it 1"):
        input_check(built, Input((64, 64, 1), has_mask=False, full_scale=1.0))
    input_check(built, Input((64, 64, 1), has_mask=False, full_scale=255.0))


def test_a_folder_that_names_no_patients_is_said_to_be_so(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    (Path(config.data.path) / "patients.csv").unlink()
    with pytest.warns(UserWarning, match="does not say whose image"):
        collection = collection_prepare(config, base=tmp_path, cache=tmp_path / "cache")
    assert collection.dataset.grouping == "image"


def test_masks_are_carried_into_the_input_and_circles_drawn_where_there_are_none(tmp_path: Path) -> None:
    picture, mask = np.full((200, 100), 90, np.uint8), np.zeros((100, 50), np.uint8)
    mask[40:60, 10:30] = 255  # half the image's resolution: rows 80–119, columns 20–59 there
    cv2.imwrite(str(tmp_path / "picture.png"), picture)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    record = ImageRecord(
        "one", tmp_path / "picture.png", "image/png", "lesion", mask_paths=(tmp_path / "mask.png",), mask_labels=("lesion",)
    )
    dataset = Dataset("d", "D", ("no lesion", "lesion"), (record,), (), "image")
    (sample,) = samples_prepare(
        dataset,
        folds=np.array([0]),
        settings=config_of().data,
        profile=profile_read(profile_write(tmp_path / "p.json", size=50)),
        cache=tmp_path / "cache",
    )
    found = sample.masks(classes=2)
    expected = np.zeros((50, 50), np.float32)
    expected[20:30, 10:30] = 1  # rows shrink by four, columns by two
    np.testing.assert_allclose(found[..., 1], expected, atol=0.51)
    assert np.abs(found[..., 1] - expected).mean() < 0.02
    assert found[..., 0].max() == 0
    column, row, _, label = sample.lesions[0]
    assert (column, row, label) == (pytest.approx(19.5, abs=0.6), pytest.approx(24.5, abs=0.6), 1)
    cases = cases_of([sample], given=given_of([sample]), classes=2)
    assert cases.masks is not None
    assert cases.masks[0] is not None
    assert cases.masks[0].sum() == pytest.approx(200, abs=30)
    disc = dataclasses.replace(sample, masks_path=None, lesions=np.array([[25.0, 25.0, 5.0, 1.0]])).masks(classes=2)
    assert disc[..., 1].sum() == pytest.approx(np.pi * 25, rel=0.1)
