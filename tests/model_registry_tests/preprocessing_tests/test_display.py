"""Hand-computed display values, and agreement with pydicom's own VOI where both define the same thing."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from model_registry.packaging.profile import Display
from model_registry.preprocessing import DecodedImage, image_decode
from model_registry.preprocessing.display import display_values
from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes, lut


def shown(data: bytes, **step: Any) -> np.ndarray:
    image = image_decode(data=data, media_type="application/dicom")
    return display_values(image=image, stored=image.stored, step=Display(**step)).values


def values_row(*values: int, dtype: str = "uint16") -> np.ndarray:
    return np.array([values], dtype=dtype)


def test_linear_window_follows_the_standards_half_value_offsets() -> None:
    data = dicom_bytes(values_row(0, 1023, 1024, 2047, 4095), BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096)
    # c − 0.5 = 2047.5, w − 1 = 4095: y = (x − 2047.5) / 4095 + 0.5 = x / 4095
    np.testing.assert_allclose(shown(data)[0], np.array([0, 1023, 1024, 2047, 4095]) / 4095, atol=1e-7)


def test_linear_exact_window_has_no_offsets() -> None:
    data = dicom_bytes(values_row(0, 50, 100, 150, 200), WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(shown(data)[0], [0, 0, 0.5, 1, 1], atol=1e-7)


def test_sigmoid_window_is_the_logistic_curve() -> None:
    data = dicom_bytes(values_row(0, 100, 150, 60000), WindowCenter=100, WindowWidth=200, VOILUTFunction="SIGMOID")
    np.testing.assert_allclose(shown(data)[0], [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-1), 1.0], atol=1e-7)


def test_linear_window_of_width_one_is_a_step() -> None:
    data = dicom_bytes(values_row(9, 10, 11), WindowCenter=10.5, WindowWidth=1)
    np.testing.assert_array_equal(shown(data)[0], [0, 0, 1])


def test_one_of_several_windows_is_chosen_by_index() -> None:
    data = dicom_bytes(values_row(0, 50, 100), WindowCenter=[50, 1000], WindowWidth=[100, 10], VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(shown(data, voi_index=0)[0], [0, 0.5, 1])
    np.testing.assert_allclose(shown(data, voi_index=1)[0], [0, 0, 0])


def test_an_index_past_the_last_window_takes_the_first_and_says_so() -> None:
    data = dicom_bytes(values_row(0, 50, 100), WindowCenter=50, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    image = image_decode(data=data, media_type="application/dicom")
    result = display_values(image=image, stored=image.stored, step=Display(voi_index=3))
    assert result.window_assumed
    np.testing.assert_allclose(result.values[0], [0, 0.5, 1])


def test_rescale_comes_before_the_window() -> None:
    data = dicom_bytes(
        values_row(0, 100, 200),
        RescaleSlope=2,
        RescaleIntercept=-100,
        WindowCenter=100,
        WindowWidth=400,
        VOILUTFunction="LINEAR_EXACT",
    )
    # modality values −100, 100, 300
    np.testing.assert_allclose(shown(data)[0], [0, 0.5, 1])


def test_modality_lut_takes_the_place_of_rescale() -> None:
    data = dicom_bytes(values_row(4, 5, 6, 9), ModalityLUTSequence=[lut(5, [0, 128, 255], 8)])
    np.testing.assert_allclose(shown(data)[0], [0, 0, 128 / 255, 1], atol=1e-7)


def test_voi_lut_of_sixteen_bits_is_looked_up_exactly_and_clamped_at_both_ends() -> None:
    data = dicom_bytes(values_row(0, 100, 101, 102, 500), VOILUTSequence=[lut(100, [10, 40000, 65535], 16)])
    np.testing.assert_allclose(shown(data)[0], np.array([10, 10, 40000, 65535, 65535]) / 65535, atol=1e-7)


def test_voi_lut_packed_in_bytes_is_read() -> None:
    data = dicom_bytes(values_row(0, 1, 2, 3), VOILUTSequence=[lut(0, [0, 51, 102, 255], 8, packed=True)])
    np.testing.assert_allclose(shown(data)[0], [0, 0.2, 0.4, 1], atol=1e-7)


def test_a_voi_lut_shorter_than_it_says_counts_as_absent() -> None:
    item = lut(0, [1, 2, 3], 16)
    item["LUTDescriptor"].value = [300, 0, 16]
    image = image_decode(data=dicom_bytes(values_row(0, 65535), VOILUTSequence=[item]), media_type="application/dicom")
    assert image.voi_luts == ()
    assert display_values(image=image, stored=image.stored, step=Display()).window_assumed


def test_monochrome1_is_inverted_after_the_window() -> None:
    window: dict[str, Any] = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}
    data = dicom_bytes(values_row(0, 25, 100), PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_allclose(shown(data)[0], [1, 0.75, 0])


def test_padding_is_black_in_either_polarity() -> None:
    padded: dict[str, Any] = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 5, "WindowCenter": 50, "WindowWidth": 100}
    values = values_row(0, 3, 5, 6, 100)
    inverted = shown(dicom_bytes(values, PhotometricInterpretation="MONOCHROME1", **padded))[0]
    assert inverted[:3].tolist() == [0, 0, 0]
    assert inverted[3] > 0.9
    assert shown(dicom_bytes(values, **padded))[0][:3].tolist() == [0, 0, 0]


def test_padding_written_unsigned_into_a_signed_image_is_recognised() -> None:
    data = dicom_bytes(values_row(-2000, 0, 100, dtype="int16"), WindowCenter=0, WindowWidth=5000)
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
    file = io.BytesIO()
    dataset.save_as(file)
    image = image_decode(data=file.getvalue(), media_type="application/dicom")
    assert image.padding == (-2000, -2000)


def test_signed_values_are_windowed_below_zero() -> None:
    data = dicom_bytes(values_row(-100, 0, 100, dtype="int16"), WindowCenter=0, WindowWidth=200, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(shown(data)[0], [0, 0.5, 1])


def test_without_a_window_the_full_range_of_the_stored_bits_is_shown_and_said_so() -> None:
    data = dicom_bytes(values_row(0, 2048, 4095), BitsStored=12, HighBit=11)
    image = image_decode(data=data, media_type="application/dicom")
    result = display_values(image=image, stored=image.stored, step=Display())
    assert result.window_assumed
    np.testing.assert_allclose(result.values[0], np.array([0, 2048, 4095]) / 4095, atol=1e-7)


@pytest.mark.parametrize(("centre", "width"), [(100, 0), (100, -5), ("", ""), (100, 0.5)])
def test_an_unusable_window_counts_as_absent(centre: object, width: object) -> None:
    image = image_decode(
        data=dicom_bytes(values_row(1, 2), WindowCenter=centre, WindowWidth=width), media_type="application/dicom"
    )
    assert image.windows == ()


def test_percentile_window_ignores_padding() -> None:
    values = np.concatenate([np.zeros(900, np.uint16), np.arange(1000, 1101, dtype=np.uint16)]).reshape(1, -1)
    data = dicom_bytes(values, PixelPaddingValue=0)
    result = shown(data, voi="percentile", percentiles=(0, 100))[0]
    np.testing.assert_allclose(result[900:], np.arange(101) / 100, atol=1e-7)


def test_eight_bits_quantise_to_whole_levels() -> None:
    data = dicom_bytes(np.arange(0, 4096, 7, dtype=np.uint16)[None], BitsStored=12, WindowCenter=2048, WindowWidth=4096)
    levels = shown(data, bits=8) * 255
    np.testing.assert_allclose(levels, np.rint(np.arange(0, 4096, 7) / 4095 * 255)[None], atol=1e-4)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_windows_agree_with_pydicom(function: str, dtype: str) -> None:
    low = 0 if dtype == "uint16" else -2048
    values = np.arange(low, low + 4096, dtype=dtype).reshape(64, 64)
    data = dicom_bytes(
        values, BitsStored=12, HighBit=11, WindowCenter=low + 1800.5, WindowWidth=1234.5, VOILUTFunction=function,
        RescaleSlope=1, RescaleIntercept=0, RescaleType="US",
    )  # fmt: skip
    dataset = pydicom.dcmread(io.BytesIO(data))
    theirs = apply_voi_lut(apply_modality_lut(values, dataset), dataset)
    lowest, highest = (0, 4095) if dtype == "uint16" else (-2048, 2047)
    np.testing.assert_allclose(shown(data), (theirs - lowest) / (highest - lowest), atol=2e-6)


def test_voi_lut_agrees_with_pydicom() -> None:
    values = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
    table = (np.sqrt(np.arange(3000) / 2999) * 16383).astype(int).tolist()
    data = dicom_bytes(values, BitsStored=12, HighBit=11, VOILUTSequence=[lut(200, table, 14)])
    theirs = apply_voi_lut(values, pydicom.dcmread(io.BytesIO(data)))
    np.testing.assert_allclose(shown(data) * 16383, theirs, atol=1e-2)


def test_an_image_of_one_value_is_shown_without_error() -> None:
    image = DecodedImage(stored=np.full((8, 8), 7, np.uint8), bits_stored=8, stored_range=(0, 255), media_type="image/png")
    assert display_values(image=image, stored=image.stored, step=Display()).values.max() == pytest.approx(7 / 255)
    assert display_values(image=image, stored=image.stored, step=Display(voi="percentile")).values.max() == 0
