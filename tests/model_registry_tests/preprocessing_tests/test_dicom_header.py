"""View, laterality, spacing and acquisition: read where they are, never guessed where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from model_registry.preprocessing import DecodedImage, image_decode
from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes


def decoded(**attributes: Any) -> DecodedImage:
    return image_decode(data=dicom_bytes(np.zeros((8, 8), np.uint16), **attributes), media_type="application/dicom")


def view_code(value: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "a view"
    return [item]


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"ViewPosition": "MLO"}, "MLO"),
        ({"ViewPosition": "cc "}, "CC"),
        ({"ViewPosition": "CC", "ViewCodeSequence": view_code("399368009")}, "CC"),
        ({"ViewCodeSequence": view_code("399368009")}, "MLO"),
        ({"ViewCodeSequence": view_code("R-10242")}, "CC"),
        ({"Manufacturer": "FUJIFILM Corporation", "AcquisitionDeviceProcessingDescription": "R MLO"}, "MLO"),
        ({"Manufacturer": "Another", "AcquisitionDeviceProcessingDescription": "R MLO"}, None),
        ({"Manufacturer": "FUJIFILM", "AcquisitionDeviceProcessingDescription": "CC or MLO"}, None),
        ({"ViewPosition": "AP"}, None),
        ({}, None),
    ],
)
def test_view_is_taken_from_position_then_code_then_vendor(attributes: dict[str, Any], view: str | None) -> None:
    assert decoded(**attributes).view_position == view


@pytest.mark.parametrize(
    ("attributes", "laterality"),
    [({"ImageLaterality": "L"}, "L"), ({"Laterality": "R"}, "R"), ({"ImageLaterality": "B"}, None), ({}, None)],
)
def test_laterality_is_left_right_or_unknown(attributes: dict[str, Any], laterality: str | None) -> None:
    assert decoded(**attributes).image_laterality == laterality


@pytest.mark.parametrize(
    ("attributes", "acquisition"),
    [
        ({}, "digital"),
        ({"Modality": "RG"}, "film"),
        ({"DetectorType": "FILM"}, "film"),
        ({"Modality": "OT", "ConversionType": "DF"}, "film"),
        ({"Modality": "OT"}, None),
    ],
)
def test_acquisition_is_film_digital_or_unknown(attributes: dict[str, Any], acquisition: str | None) -> None:
    assert decoded(**attributes).acquisition == acquisition


def test_spacing_prefers_the_calibrated_attribute() -> None:
    assert decoded(ImagerPixelSpacing=[0.07, 0.07]).pixel_spacing_mm == (0.07, 0.07)
    assert decoded(ImagerPixelSpacing=[0.07, 0.07], PixelSpacing=[0.06, 0.05]).pixel_spacing_mm == (0.06, 0.05)
    assert decoded(PixelSpacing=[0, 0]).pixel_spacing_mm is None


@pytest.mark.parametrize(
    ("attributes", "plane"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": [0.07, 0.07]}, "detector"),
        ({"ImagerPixelSpacing": [0.07, 0.07], "PixelSpacing": [0.07, 0.07]}, "detector"),
        ({"ImagerPixelSpacing": [0.07, 0.07], "PixelSpacing": [0.065, 0.065]}, "patient"),
        ({"PixelSpacing": [0.065, 0.065], "PixelSpacingCalibrationType": "FIDUCIAL"}, "patient"),
        ({"PixelSpacing": [0.065, 0.065]}, "unstated"),
    ],
)
def test_the_spacing_says_where_it_was_measured(attributes: dict[str, Any], plane: str | None) -> None:
    assert decoded(**attributes).spacing_plane == plane
