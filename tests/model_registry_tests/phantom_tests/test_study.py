"""The phantom: reproducible, complete as DICOM, with its findings where it says, and a breast as far as isolation can tell."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map

from model_registry.packaging.profile import Display, IsolateBreast, PreprocessingProfile, ReduceTo
from model_registry.phantom import LESION_KINDS, LesionKind, phantom_study
from model_registry.phantom.texture import power_law_field
from model_registry.preprocessing import image_decode, image_prepare

SMALL = (512, 416)
ISOLATE = PreprocessingProfile(name="t", steps=(ReduceTo(longer_side=512), Display(), IsolateBreast(crop=False, orient=False)))
# conditions that do not hold for a human, digital, unpadded, For Presentation view of one breast
NOT_REQUIRED = {"1C", "2C", "3"}


def test_the_same_seed_and_options_give_the_same_bytes() -> None:
    first, second = (phantom_study(seed=8, size_hw=SMALL, lesion="round-mass") for _ in range(2))
    assert [view.to_dicom_bytes() for view in first] == [view.to_dicom_bytes() for view in second]
    assert first[0].to_dicom_bytes() != phantom_study(seed=9, size_hw=SMALL, lesion="round-mass")[0].to_dicom_bytes()


def test_a_study_is_the_four_standard_views_of_one_woman() -> None:
    files = [pydicom.dcmread(io.BytesIO(view.to_dicom_bytes())) for view in phantom_study(seed=2, size_hw=SMALL)]
    assert [(d.ImageLaterality, d.ViewPosition) for d in files] == [("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")]
    assert len({d.SOPInstanceUID for d in files}) == 4
    assert len({(d.PatientID, d.StudyInstanceUID, d.SeriesInstanceUID) for d in files}) == 1
    assert all(
        uid.is_valid and len(uid) <= 64 for d in files for uid in (d.SOPInstanceUID, d.StudyInstanceUID, d.SeriesInstanceUID)
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_mandatory_attribute_of_the_mammography_object_is_there(photometric: str) -> None:
    view = phantom_study(seed=2, size_hw=SMALL, photometric_interpretation=photometric)[3]  # type: ignore[arg-type]
    dataset = pydicom.dcmread(io.BytesIO(view.to_dicom_bytes()))
    attributes = get_module_attribute_map()
    missing = [
        (module["key"], attribute["keyword"])
        for module in get_iod_module_map()["digital-mammography-x-ray-image"]
        if module["usage"] == "M"
        for attribute in attributes[module["key"]]
        if not attribute["path"]
        and attribute["type"] not in NOT_REQUIRED
        and (attribute["keyword"] not in dataset or (attribute["type"] == "1" and dataset[attribute["keyword"]].value == ""))
    ]
    assert missing == []
    assert dataset.PresentationLUTShape == ("INVERSE" if photometric == "MONOCHROME1" else "IDENTITY")
    assert dataset.ViewCodeSequence[0].CodeValue == "399368009"
    assert dataset.PatientOrientation == ["A", "F"]
    assert dataset.BurnedInAnnotation == "NO"


def test_both_polarities_show_the_same_picture() -> None:
    full = PreprocessingProfile(name="t", steps=(Display(),))
    shown = [
        image_prepare(image=image_decode(data=view.to_dicom_bytes(), media_type="application/dicom"), profile=full).tensor
        for view in (
            phantom_study(seed=2, size_hw=SMALL)[0],
            phantom_study(seed=2, size_hw=SMALL, photometric_interpretation="MONOCHROME1")[0],
        )
    ]
    np.testing.assert_allclose(shown[0], shown[1], atol=1e-6)


@pytest.mark.parametrize("density", ["A", "B", "C", "D"])
def test_the_breast_is_found_on_the_side_of_its_chest_wall(density: str) -> None:
    for view in phantom_study(seed=21, size_hw=SMALL, density=density):  # type: ignore[arg-type]
        image = image_decode(data=view.to_dicom_bytes(), media_type="application/dicom")
        result = image_prepare(image=image, profile=ISOLATE)
        assert result.assessable
        assert result.mask is not None
        assert 0.15 < result.mask.mean() < 0.75
        at_left = view.image_laterality == "L"
        near, far = (result.mask[:, 4:20], result.mask[:, -20:-4])[:: 1 if at_left else -1]
        assert near.sum() > 10 * far.sum()
        assert not result.mask[:30, -120 : -10 if at_left else None].all()


def test_denser_breasts_are_brighter() -> None:
    means = []
    for density in ("A", "B", "C", "D"):
        view = phantom_study(seed=5, size_hw=SMALL, density=density)[1]
        means.append(view.pixels[view.pixels > 600].mean())
    assert means == sorted(means)
    assert means[3] > means[0] * 1.15


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_a_finding_brightens_its_own_place_in_both_views_of_one_breast_and_nothing_else(kind: LesionKind) -> None:
    clear = phantom_study(seed=6, size_hw=(1024, 832), density="B")
    marked = phantom_study(seed=6, size_hw=(1024, 832), density="B", lesion=kind, lesion_laterality="R")
    assert [len(view.lesions) for view in marked] == [1, 0, 1, 0]
    for before, after in zip(clear, marked, strict=True):
        rise = after.pixels.astype(int) - before.pixels
        if not after.lesions:
            assert not rise.any()
            continue
        (lesion,) = after.lesions
        rows, columns = np.indices(rise.shape)
        away = np.hypot(columns - lesion.centre[0], rows - lesion.centre[1])
        inside, outside = away < lesion.radius, (away > 3.8 * lesion.radius) & (before.pixels > 500)
        # the grain is scaled to the signal, so outside the finding not even the noise changes
        assert rise[inside].max() > 500
        assert np.abs(rise[outside]).max() == 0


def test_texture_falls_off_as_the_third_power_of_frequency() -> None:
    field = power_law_field(rng=np.random.default_rng(0), hw=(512, 512), beta=3.0)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512))) * 512
    bands = np.geomspace(4, 200, 12)
    means = [power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(bands)]
    slope = np.polyfit(np.log(np.sqrt(bands[:-1] * bands[1:])), np.log(means), 1)[0]
    assert slope == pytest.approx(-3.0, abs=0.15)


def test_png_output_is_the_windowed_view_and_the_stored_values() -> None:
    view = phantom_study(seed=2, size_hw=SMALL)[0]
    eight: Any = cv2.imdecode(np.frombuffer(view.to_png_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    sixteen: Any = cv2.imdecode(np.frombuffer(view.to_png_bytes(bits=16), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (eight.dtype, sixteen.dtype) == (np.uint8, np.uint16)
    np.testing.assert_array_equal(sixteen // 16, view.pixels)
    result = image_prepare(
        image=image_decode(data=view.to_dicom_bytes(), media_type="application/dicom"),
        profile=PreprocessingProfile(name="t", steps=(Display(bits=8),)),
    )
    assert np.abs(result.tensor[..., 0] * 255 - eight).max() <= 1


@pytest.mark.parametrize(
    "options",
    [{"size_hw": (64, 512)}, {"size_hw": (512, 9000)}, {"transfer_syntax": "gif"}, {"lesion": "cyst"}, {"density": "E"}],
)
def test_an_option_that_does_not_exist_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        phantom_study(seed=1, **options)
