"""The decode boundary: what is decoded is exact, what is refused has the right code, and nothing else comes out."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
)

from inference_worker.contract.failures import CATALOGUE
from model_registry.phantom import phantom_study
from model_registry.preprocessing import PreprocessingError, image_decode
from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes, png_bytes

DICOM = "application/dicom"
BUNDLED = Path(pydicom.__file__).parent / "data"
STRESS = Path(__file__).resolve().parents[4] / "shared" / "data" / "dicom" / "pydicom-data"


def code_of(data: bytes, media_type: str = DICOM, **options: int) -> str:
    with pytest.raises(PreprocessingError) as refusal:
        image_decode(data=data, media_type=media_type, **options)
    return refusal.value.code


def ramp(dtype: str = "uint16") -> np.ndarray:
    return (np.arange(32 * 24).reshape(32, 24) * 5).astype(dtype)


def outcomes(folder: Path) -> dict[str, str]:
    """Every file under the folder → "exact", "differs" or its refusal's code. pydicom is the reference."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")):
        try:
            image = image_decode(data=path.read_bytes(), media_type=DICOM)
        except PreprocessingError as refusal:
            found[path.name] = refusal.code
            continue
        try:
            reference = pydicom.dcmread(path, force=True).pixel_array
        except RuntimeError:  # 12-bit lossy JPEG, which no decoder of pydicom's reads here
            found[path.name] = "no reference"
            continue
        found[path.name] = "exact" if np.array_equal(reference, image.stored) else "differs"
    return found


@pytest.mark.filterwarnings("ignore")
def test_every_file_bundled_with_pydicom_is_exact_or_refused_with_an_input_code() -> None:
    found = outcomes(BUNDLED)
    assert "differs" not in found.values()
    assert all(outcome in ("exact", "no reference") or outcome.startswith("input:") for outcome in found.values())
    assert {name for name, outcome in found.items() if outcome == "no reference"} == {"JPEG-lossy.dcm", "JPGExtended.dcm"}
    assert {
        "CT_small.dcm": "exact",
        "MR_small_RLE.dcm": "exact",
        "MR_small_bigendian.dcm": "exact",
        "JPEG2000.dcm": "exact",
        "J2K_pixelrep_mismatch.dcm": "exact",
        "JPEGLSNearLossless_16.dcm": "exact",
        "image_dfl.dcm": "exact",
        "MR_truncated.dcm": "input:pixel_data_truncated",
        "rtplan_truncated.dcm": "input:file_truncated",
        "rtplan.dcm": "input:no_pixel_data",
        "SC_rgb_rle.dcm": "input:unsupported_photometric_interpretation",
        "rtdose.dcm": "input:multi_frame",
        "rtdose_1frame.dcm": "input:unsupported_pixel_format",
        "liver_1frame.dcm": "input:unsupported_pixel_format",
        "test1.json": "input:not_an_image",
    }.items() <= found.items()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not STRESS.is_dir(), reason="the decoder stress files are not on this machine")
def test_every_decoder_stress_file_is_exact_or_refused_with_an_input_code() -> None:
    found = outcomes(STRESS)
    assert all(outcome == "exact" or outcome.startswith("input:") for outcome in found.values())
    assert {
        "JPEG-LL.dcm": "exact",
        "JPGLosslessP14SV1_1s_1f_8b.dcm": "exact",
        "JLSL_16_15_1_1F.dcm": "exact",
        "693_J2KR.dcm": "exact",
        "HTJ2K_08_RGB.dcm": "input:unsupported_photometric_interpretation",
        "emri_small_RLE.dcm": "input:multi_frame",
        "parametric_map_float.dcm": "input:unsupported_pixel_format",
    }.items() <= found.items()


@pytest.mark.parametrize("syntax", ["explicit-le", "implicit-le", "jpeg-lossless", "jpeg-ls", "jpeg-2000", "rle"])
def test_every_lossless_transfer_syntax_gives_back_the_stored_values(syntax: str) -> None:
    view = phantom_study(seed=3, size_hw=(256, 208), transfer_syntax=syntax)[1]
    image = image_decode(data=view.to_dicom_bytes(), media_type=DICOM)
    np.testing.assert_array_equal(image.stored, view.pixels)
    assert (image.image_laterality, image.view_position, image.acquisition) == ("L", "CC", "digital")


def test_lossy_jpeg_of_twelve_bits_is_decoded_closely() -> None:
    view = phantom_study(seed=3, size_hw=(256, 208))[0]
    frame = bytes(imagecodecs.jpeg8_encode(view.pixels, level=98, bitspersample=12))
    data = dicom_bytes(view.pixels, BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(file)
    decoded = image_decode(data=file.getvalue(), media_type=DICOM).stored
    assert np.abs(decoded.astype(int) - view.pixels).mean() < 12


def test_native_pixels_are_a_view_of_the_files_bytes_not_a_copy() -> None:
    stored = image_decode(data=dicom_bytes(ramp() & 0xFFF, BitsStored=12, HighBit=11), media_type=DICOM).stored
    assert not stored.flags.owndata
    assert not stored.flags.writeable


def test_bits_above_the_stored_ones_are_dropped() -> None:
    pixels = ramp() & 0xFFF
    overlaid = dicom_bytes(pixels | 0xA000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(image_decode(data=overlaid, media_type=DICOM).stored, pixels)
    signed = (pixels.astype(np.int16) - 2048).astype(np.int16)
    without_extension = dicom_bytes(signed & np.int16(0xFFF), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(image_decode(data=without_extension, media_type=DICOM).stored, signed)


def test_big_endian_values_come_in_native_byte_order() -> None:
    pixels = ramp()
    data = dicom_bytes(pixels.astype(">u2"), transfer_syntax=ExplicitVRBigEndian)
    image = image_decode(data=data, media_type=DICOM)
    assert image.stored.dtype.isnative
    np.testing.assert_array_equal(image.stored, pixels)


def test_eight_bit_signed_values_keep_their_sign() -> None:
    pixels = np.array([[-128, -1], [0, 127]], np.int8)
    image = image_decode(data=dicom_bytes(pixels), media_type=DICOM)
    assert image.stored.dtype == np.int16
    np.testing.assert_array_equal(image.stored, pixels)
    assert image.stored_range == (-128, 127)


def test_an_object_without_preamble_and_file_meta_is_read() -> None:
    data = dicom_bytes(ramp(), transfer_syntax=ImplicitVRLittleEndian)
    bare = data[data.index(b"\x08\x00\x16\x00") :]
    np.testing.assert_array_equal(image_decode(data=bare, media_type=DICOM).stored, ramp())


def test_attributes_that_real_files_lack_are_not_needed() -> None:
    image = image_decode(data=dicom_bytes(ramp(), SOPClassUID=None, Modality=None), media_type=DICOM)
    assert (image.modality, image.acquisition, image.view_position, image.image_laterality) == (None, None, None, None)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"PixelData": None}, "input:no_pixel_data"),
        ({"Rows": 0}, "input:header_corrupt"),
        ({"Rows": None}, "input:header_corrupt"),
        ({"BitsStored": 17}, "input:header_corrupt"),
        ({"BitsAllocated": 12}, "input:unsupported_pixel_format"),
        ({"BitsAllocated": 32}, "input:unsupported_pixel_format"),
        ({"NumberOfFrames": 2}, "input:multi_frame"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "input:unsupported_photometric_interpretation"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "input:unsupported_photometric_interpretation"),
        ({"PhotometricInterpretation": None}, "input:unsupported_photometric_interpretation"),
        ({"Rows": 33}, "input:pixel_data_truncated"),
        ({"Rows": 60000, "Columns": 60000}, "input:dimensions_too_large"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(attributes: dict[str, Any], code: str) -> None:
    assert code_of(dicom_bytes(ramp(), **attributes)) == code


def test_an_unlisted_transfer_syntax_is_refused() -> None:
    data = dicom_bytes(ramp()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    assert code_of(data) == "input:unsupported_transfer_syntax"


def test_a_deflated_object_is_inflated_no_further_than_the_largest_image() -> None:
    plain = dicom_bytes(ramp())
    start = plain.index(b"\x08\x00\x16\x00")
    meta = dicom_bytes(ramp(), transfer_syntax=DeflatedExplicitVRLittleEndian)
    meta = meta[: meta.index(DeflatedExplicitVRLittleEndian.encode()) + len(DeflatedExplicitVRLittleEndian)]
    meta += b"\0" * (len(meta) % 2)

    def deflated(body: bytes) -> bytes:
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return meta + squeezer.compress(body) + squeezer.flush()

    np.testing.assert_array_equal(image_decode(data=deflated(plain[start:]), media_type=DICOM).stored, ramp())
    bomb = deflated(plain[start:] + b"\0" * (70 * 1024 * 1024))
    assert len(bomb) < 200_000
    assert code_of(bomb, max_pixels=1000) == "input:dimensions_too_large"
    assert code_of(deflated(plain[start:])[:-40]) == "input:file_truncated"


@pytest.mark.parametrize("syntax", ["jpeg-lossless", "jpeg-ls", "jpeg-2000"])
def test_a_codestream_that_declares_another_size_than_the_header_is_not_decoded(syntax: str) -> None:
    view = phantom_study(seed=3, size_hw=(256, 208), transfer_syntax=syntax)[0]
    data = view.to_dicom_bytes()
    small, huge = (208, 60000) if syntax != "jpeg-2000" else (208, 60_000_000)
    width = struct.pack(">H", small) if syntax != "jpeg-2000" else struct.pack(">I", small)
    wider = struct.pack(">H", huge) if syntax != "jpeg-2000" else struct.pack(">I", huge)
    start = data.index(b"\xe0\x7f\x10\x00")
    assert code_of(data[:start] + data[start:].replace(width, wider, 1)) == "input:pixel_data_corrupt"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", ["jpeg-lossless", "jpeg-ls", "jpeg-2000", "rle", "explicit-le"])
def test_a_file_cut_off_in_its_pixels_is_refused(syntax: str) -> None:
    data = phantom_study(seed=3, size_hw=(256, 208), transfer_syntax=syntax)[0].to_dicom_bytes()
    assert code_of(data[: len(data) * 3 // 4]) == "input:pixel_data_truncated"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", ["jpeg-lossless", "jpeg-ls", "jpeg-2000", "rle", "explicit-le"])
def test_damaged_bytes_yield_an_image_or_an_input_code_and_nothing_else(syntax: str) -> None:
    intact = phantom_study(seed=1, size_hw=(128, 128), transfer_syntax=syntax)[0].to_dicom_bytes()
    refusals = []
    for seed in range(150):
        dice = random.Random(seed)
        damaged = bytearray(intact)
        first = dice.choice((132, intact.index(b"\xe0\x7f\x10\x00")))
        for _ in range(dice.choice((1, 5, 25))):
            damaged[dice.randrange(first, dice.choice((first + 200, len(damaged))))] = dice.randrange(256)
        try:
            image = image_decode(data=bytes(damaged), media_type=DICOM)
            assert image.stored.ndim == 2
        except PreprocessingError as refusal:
            refusals.append(refusal.code)
    assert len(refusals) > 10
    assert all(code.startswith("input:") for code in refusals)


def test_a_refusal_carries_no_trace_of_the_headers_values() -> None:
    data = dicom_bytes(ramp(), PatientName="SECRET^NAME").replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\x03\x00")
    with pytest.raises(PreprocessingError) as refusal:
        image_decode(data=data, media_type=DICOM)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "media_type", "code"),
    [
        (b"", DICOM, "input:empty_file"),
        (b"", "image/png", "input:empty_file"),
        (b"hello, this is text", DICOM, "input:not_an_image"),
        (b"hello, this is text", "image/png", "input:not_an_image"),
        (b"\0" * 5000, DICOM, "input:not_an_image"),
        (png_bytes(ramp("uint8")), DICOM, "input:not_an_image"),
        (png_bytes(ramp("uint8")), "image/jpeg", "input:not_an_image"),
        (png_bytes(ramp("uint8")), "text/plain", "input:not_an_image"),
    ],
)
def test_bytes_that_are_not_what_they_are_said_to_be_are_refused(data: bytes, media_type: str, code: str) -> None:
    assert code_of(data, media_type) == code


def test_refusal_codes_are_in_the_failure_catalogue() -> None:
    folder = Path(__file__).resolve().parents[3] / "model_registry" / "preprocessing"
    used = {code for path in folder.glob("*.py") for code in re.findall(r'"((?:input|model):[a-z_]+)"', path.read_text())}
    assert used
    assert used <= set(CATALOGUE)


def test_lossless_jpeg_with_signed_values_keeps_their_sign() -> None:
    pixels = (np.arange(64 * 48).reshape(64, 48) - 1500).astype(np.int16)
    data = dicom_bytes(pixels, BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(io.BytesIO(data))
    for syntax, frame in (
        (JPEGLosslessSV1, imagecodecs.jpeg8_encode((pixels & 0xFFF).astype(np.uint16), lossless=True, bitspersample=12)),
        (
            JPEG2000Lossless,
            imagecodecs.jpeg2k_encode((pixels & 0xFFF).astype(np.uint16), level=0, codecformat="j2k", bitspersample=12),
        ),
    ):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([bytes(frame)])
        dataset["PixelData"].is_undefined_length = True
        file = io.BytesIO()
        dataset.save_as(file)
        np.testing.assert_array_equal(image_decode(data=file.getvalue(), media_type=DICOM).stored, pixels)


def test_png_and_jpeg_become_luminance() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colour = np.stack([grey, grey, grey], axis=-1)
    np.testing.assert_array_equal(image_decode(data=png_bytes(grey), media_type="image/png").stored, grey)
    np.testing.assert_array_equal(image_decode(data=png_bytes(colour), media_type="image/png").stored, grey)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    assert image_decode(data=png_bytes(red), media_type="image/png").stored[0, 0] == 60  # .299 · 200
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32), 120, np.uint8)).save(file, "JPEG", quality=95)
    np.testing.assert_array_equal(image_decode(data=file.getvalue(), media_type="image/jpeg").stored, 120)


def test_sixteen_bit_png_keeps_its_values_and_says_when_its_depth_is_a_guess() -> None:
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    image = image_decode(data=png_bytes(deep), media_type="image/png")
    np.testing.assert_array_equal(image.stored, deep)
    assert (image.bits_stored, image.ambiguous_depth) == (16, False)
    shallow = image_decode(data=png_bytes(deep // 16), media_type="image/png")
    assert (shallow.bits_stored, shallow.ambiguous_depth) == (12, True)


def test_raster_files_beyond_the_pixel_limit_or_cut_off_are_refused() -> None:
    whole = png_bytes(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    assert code_of(whole, "image/png", max_pixels=4000) == "input:dimensions_too_large"
    assert code_of(whole[:2000], "image/png") == "input:file_truncated"
    bomb = whole[:16] + struct.pack(">II", 100_000, 100_000) + whole[24:]
    assert code_of(bomb, "image/png") == "input:dimensions_too_large"
    assert code_of(whole[:20], "image/png") == "input:header_corrupt"
    transparent = np.zeros((8, 8, 4), np.uint8)
    assert code_of(png_bytes(transparent), "image/png") == "input:unsupported_pixel_format"
