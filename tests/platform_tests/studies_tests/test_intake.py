"""What intake takes, what it refuses and with which code."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
)

from studies.intake import IntakeRefusal, study_receive

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_CT = "1.2.840.10008.5.1.4.1.1.2"


def refused(receive, *files, **fields) -> IntakeRefusal:
    with pytest.raises(IntakeRefusal) as caught:
        receive(*files, **fields)
    return caught.value


def _code(receive, *files, **fields) -> str:
    return refused(receive, *files, **fields).code


# ── What is taken ──


def test_a_mammogram_is_stored_under_its_own_digest_and_described(receive, store, site, mammogram) -> None:
    study = receive(mammogram())

    image = study.images[0]
    assert image.object_key == f"sites/{site.id}/images/{image.sha256[:2]}/{image.sha256}"
    assert store.size(image.object_key) == image.size_bytes
    assert (image.rows, image.columns, image.photometric_interpretation) == (96, 80, "MONOCHROME2")
    assert (image.image_laterality, image.view_position, image.modality) == ("R", "MLO", "MG")
    assert image.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert image.media_type == "application/dicom"


def test_a_file_cut_within_a_sequence_is_refused(receive, mammogram) -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + b"\x08\0\0\x01SH\x02\0A " + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    sequence = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item * 3
    whole = mammogram()
    before = whole[: whole.index(b"\x10\0\x10\0PN")]  # Patient's Name: the first element of the next group

    codes = {_code(receive, (before + sequence)[: len(before) + length]) for length in range(13, len(sequence) + 1)}

    assert codes <= {"input:file_truncated", "input:header_corrupt", "input:no_pixel_data", "input:not_mammography"}
    assert "input:file_truncated" in codes


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_pixels_and_window_survive_every_native_encoding(receive, store, mammogram, syntax) -> None:
    image = receive(mammogram(syntax=syntax)).images[0]

    stored = pydicom.dcmread(io.BytesIO(store.get_bytes(image.object_key)))
    assert np.array_equal(stored.pixel_array, np.arange(96 * 80).reshape(96, 80) % 4096)
    assert (stored.WindowCenter, stored.WindowWidth) == (2047.5, 4096)


def test_big_endian_pixels_are_taken_as_they_are(receive, store, mammogram) -> None:
    pixels = (np.arange(96 * 80) % 4096).astype(">u2").tobytes()
    image = receive(mammogram(syntax=ExplicitVRBigEndian, PixelData=pixels)).images[0]

    stored = pydicom.dcmread(io.BytesIO(store.get_bytes(image.object_key)))
    assert stored.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    assert np.array_equal(stored.pixel_array, np.arange(96 * 80).reshape(96, 80) % 4096)


def test_a_deflated_object_is_stored_inflated(receive, mammogram) -> None:
    assert receive(mammogram(syntax=DeflatedExplicitVRLittleEndian)).images[0].transfer_syntax_uid == "1.2.840.10008.1.2.1"


def test_an_object_without_preamble_and_file_meta_is_taken(receive, store, mammogram) -> None:
    whole = mammogram()
    start = 132 + 12 + struct.unpack("<I", whole[140:144])[0]

    image = receive(whole[start:]).images[0]

    assert pydicom.dcmread(io.BytesIO(store.get_bytes(image.object_key))).Rows == 96


@pytest.mark.parametrize(("mode", "photometric"), [("L", "MONOCHROME2"), ("I;16", "MONOCHROME2"), ("RGB", "RGB"), ("P", "RGB")])
def test_png_is_taken_and_its_pixels_stay(receive, store, png_bytes, mode, photometric) -> None:
    source = png_bytes(mode)

    image = receive(source).images[0]

    stored = store.get_bytes(image.object_key)
    assert (image.rows, image.columns, image.photometric_interpretation) == (96, 80, photometric)
    assert np.array_equal(np.asarray(Picture.open(io.BytesIO(stored))), np.asarray(Picture.open(io.BytesIO(source))))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"hello"}])
def test_jpeg_is_taken_and_its_pixels_stay(receive, store, jpeg_bytes, options) -> None:
    source = jpeg_bytes(**options)

    image = receive(source).images[0]

    stored = store.get_bytes(image.object_key)
    assert image.media_type == "image/jpeg"
    assert np.array_equal(np.asarray(Picture.open(io.BytesIO(stored))), np.asarray(Picture.open(io.BytesIO(source))))
    assert b"hello" not in stored


def test_files_held_in_memory_are_taken_too(site, store, multipart, mammogram, png_bytes, jpeg_bytes) -> None:
    files = [multipart(mammogram()), multipart(png_bytes()), multipart(jpeg_bytes())]

    assert [image.media_type for image in study_receive(site=site, files=files).images] == [
        "application/dicom",
        "image/png",
        "image/jpeg",
    ]


def test_the_same_file_twice_in_a_site_is_one_object_and_at_another_site_another(receive, other_site, mammogram) -> None:
    first = receive(mammogram()).images[0]

    assert receive(mammogram()).images[0].object_key == first.object_key
    elsewhere = receive(mammogram(), at=other_site).images[0]
    assert elsewhere.sha256 != first.sha256
    assert elsewhere.sop_instance_uid != first.sop_instance_uid


def test_nothing_is_left_in_the_temporary_folder(receive, settings, mammogram, png_bytes) -> None:
    receive(mammogram(), png_bytes())
    refused(receive, mammogram(), b"nothing of the kind")

    assert [path.name for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.intake")] == []


# ── What is refused ──


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SOPClassUID": _CT, "Modality": "CT"}, "input:not_mammography"),
        ({"Modality": "RG", "SOPClassUID": _SECONDARY_CAPTURE, "ViewPosition": None}, "input:not_mammography"),
        ({"SOPClassUID": _CT}, "input:unsupported_sop_class"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"}, "input:for_processing"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "input:for_processing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, "input:tomosynthesis"),
        ({"NumberOfFrames": 2}, "input:multi_frame"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "input:unsupported_photometric_interpretation"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "input:unsupported_pixel_format"),
        ({"BitsStored": 17}, "input:unsupported_pixel_format"),
        ({"BurnedInAnnotation": "YES"}, "input:burned_in_annotation"),
        ({"PixelData": None}, "input:no_pixel_data"),
        ({"PixelData": b""}, "input:no_pixel_data"),
        ({"PixelData": b"\0" * 1000}, "input:pixel_data_truncated"),
        ({"Rows": 60000, "Columns": 60000}, "input:dimensions_too_large"),
        ({"Rows": 20}, "input:dimensions_too_small"),
        ({"Rows": None}, "input:header_corrupt"),
        ({"Rows": 0}, "input:header_corrupt"),
    ],
)
def test_a_dicom_object_is_refused_with_the_code_that_fits(receive, mammogram, changes, code) -> None:
    assert _code(receive, mammogram(**changes)) == code


def test_a_video_transfer_syntax_is_refused(receive, mammogram) -> None:
    data = mammogram(syntax=JPEG2000Lossless, PixelData=encapsulate([b"\xff\x4f" * 50]))
    data = data.replace(b"1.2.840.10008.1.2.4.90\0"[:22], b"1.2.840.10008.1.2.4.10"[:22])

    assert _code(receive, data) == "input:unsupported_transfer_syntax"


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"SOPClassUID": _SECONDARY_CAPTURE}, True),
        ({"SOPClassUID": _SECONDARY_CAPTURE, "Modality": "RG"}, True),
        ({"SOPClassUID": None, "Modality": None}, True),
        ({"SOPClassUID": None, "Modality": None, "ViewPosition": None, "BodyPartExamined": "BREAST"}, True),
        ({"SOPClassUID": None, "Modality": None, "ViewPosition": None}, False),
        ({"Modality": None}, True),
        ({"PatientName": None}, True),
    ],
)
def test_missing_class_or_modality_passes_only_where_the_header_says_breast(receive, mammogram, changes, taken) -> None:
    if taken:
        assert len(receive(mammogram(**changes)).images) == 1
    else:
        assert _code(receive, mammogram(**changes)) == "input:not_mammography"


def test_encapsulated_fragments_must_be_whole(receive, mammogram) -> None:
    whole = mammogram(syntax=JPEGLosslessSV1, PixelData=encapsulate([b"\xff\xd8" + b"\x01" * 400]))

    assert receive(whole).images[0].transfer_syntax_uid == JPEGLosslessSV1
    assert _code(receive, whole[:-100]) == "input:pixel_data_truncated"
    assert len(receive(whole[:-8]).images) == 1  # only the closing delimiter is missing


def test_pixel_data_that_is_no_fragment_list_is_corrupt(receive, mammogram) -> None:
    whole = mammogram(syntax=JPEGLosslessSV1, PixelData=encapsulate([b"\xff\xd8" + b"\x01" * 400]))
    at = whole.rindex(b"\xfe\xff\x00\xe0")

    assert _code(receive, whole[:at] + b"\x12\x34" + whole[at + 2 :]) == "input:pixel_data_corrupt"


def test_a_dicom_file_cut_anywhere_is_refused_as_broken_or_incomplete(receive, mammogram) -> None:
    whole = mammogram()
    broken = {"not_an_image", "header_corrupt", "file_truncated", "no_pixel_data", "pixel_data_truncated"}

    codes = [_code(receive, whole[:length]) for length in [*range(1, 700, 3), 8000, len(whole) - 1]]

    assert {code.removeprefix("input:") for code in codes} == broken
    assert codes[-1] == "input:pixel_data_truncated"


def test_an_inflation_bomb_is_stopped_at_the_size_cap(receive, mammogram, settings) -> None:
    settings.INTAKE_MAX_FILE_BYTES = 4_000_000
    data = mammogram(syntax=DeflatedExplicitVRLittleEndian)
    meta_end = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = data[:meta_end] + deflate.compress(b"\0" * 40_000_000) + deflate.flush()

    assert len(bomb) < 100_000
    assert _code(receive, bomb) == "input:too_large"


def test_endless_nesting_is_a_corrupt_header(receive, mammogram) -> None:
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    data = mammogram()
    at = data.index(b"\x08\x00\x60\x00CS")

    assert _code(receive, data[:at] + start * 5000 + data[at:]) == "input:header_corrupt"


def test_a_header_of_many_megabytes_is_refused(receive, mammogram) -> None:
    data = mammogram()
    at = data.index(b"\x08\x00\x60\x00CS")
    blob = b"\x08\x00\x18\x22OB\0\0" + struct.pack("<I", 20_000_000) + b"\0" * 20_000_000

    assert _code(receive, data[:at] + blob + data[at:]) == "input:header_corrupt"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "input:empty_file"),
        (b"GIF89a" + b"\0" * 200, "input:not_an_image"),
        (b"%PDF-1.7 ...", "input:not_an_image"),
        (b"\xff\xd8\xff", "input:file_truncated"),
        (b"\x89PNG\r\n\x1a\n", "input:file_truncated"),
    ],
)
def test_what_is_no_image_is_refused(receive, data, code) -> None:
    assert _code(receive, data) == code


def test_the_name_and_declared_type_of_a_file_count_for_nothing(receive, png_bytes) -> None:
    assert receive(("scan.dcm", png_bytes())).images[0].media_type == "image/png"
    assert _code(receive, ("scan.png", b"<html></html>")) == "input:not_an_image"


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_a_truncated_png_or_jpeg_is_refused(receive, png_bytes, jpeg_bytes, keep) -> None:
    for data in (png_bytes(), jpeg_bytes()):
        assert _code(receive, data[: int(len(data) * keep)]) == "input:file_truncated"


def test_a_png_with_a_wrong_checksum_is_corrupt(receive, png_bytes) -> None:
    data = bytearray(png_bytes())
    data[data.index(b"IDAT") + 20] ^= 0xFF

    assert _code(receive, bytes(data)) == "input:pixel_data_corrupt"


def test_a_png_that_declares_a_bomb_is_refused_before_its_data(receive) -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))

    assert _code(receive, data) == "input:dimensions_too_large"


@pytest.mark.parametrize(("mode", "code"), [("1", "input:unsupported_pixel_format")])
def test_a_png_of_one_bit_is_refused(receive, png_bytes, mode, code) -> None:
    assert _code(receive, png_bytes(mode)) == code


def test_a_small_picture_is_refused(receive, png_bytes) -> None:
    assert _code(receive, png_bytes(size=(40, 400))) == "input:dimensions_too_small"


def test_a_jpeg_that_must_be_turned_is_refused_and_an_upright_one_taken(receive, jpeg_bytes) -> None:
    for orientation, taken in ((1, True), (6, False)):
        exif = Picture.Exif()
        exif[0x0112] = orientation
        data = jpeg_bytes(exif=exif.tobytes())
        if taken:
            assert len(receive(data).images) == 1
        else:
            assert _code(receive, data) == "input:unsupported_pixel_format"


def test_no_files_and_too_many_files_are_refused(receive, png_bytes, settings) -> None:
    settings.INTAKE_MAX_FILES = 1

    assert _code(receive) == "input:no_files"
    assert _code(receive, png_bytes(), png_bytes("I;16")) == "input:too_many_files"


# ── Several files ──


def _view(mammogram, number: int, **changes) -> bytes:
    return mammogram(SOPInstanceUID=f"1.2.826.0.1.3680043.10.99.1.{number}", **changes)


def test_four_views_keep_their_order_and_share_the_patient(receive, mammogram) -> None:
    sides = [("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")]
    study = receive(*(_view(mammogram, n, ImageLaterality=s, ViewPosition=v) for n, (s, v) in enumerate(sides)))

    assert [(image.image_laterality, image.view_position) for image in study.images] == sides
    assert study.patient_pseudonym.startswith("P")
    assert study.study_instance_uid.startswith("2.25.")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PatientID": "MRN-0043"}, "input:mixed_patients"),
        ({"PatientName": "Doe^Ann"}, "input:mixed_patients"),
        ({"PatientBirthDate": "19600301"}, "input:mixed_patients"),
        ({"StudyInstanceUID": "1.2.826.0.1.3680043.10.99.77"}, "input:mixed_studies"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(receive, mammogram, changes, code) -> None:
    refusal = refused(receive, _view(mammogram, 1), _view(mammogram, 2, **changes))

    assert refusal.code == code
    assert [entry["index"] for entry in refusal.errors] == [1]


def test_a_name_written_differently_is_the_same_patient(receive, mammogram) -> None:
    assert len(receive(_view(mammogram, 1), _view(mammogram, 2, PatientName="ROE^JANE^^^")).images) == 2


def test_the_same_image_twice_in_a_request_is_refused(receive, mammogram, png_bytes) -> None:
    assert _code(receive, png_bytes(), png_bytes()) == "input:duplicate_file"
    assert _code(receive, mammogram(), mammogram(ViewPosition="CC")) == "input:duplicate_file"


def test_every_file_at_fault_is_named_and_nothing_is_stored(receive, store, mammogram, png_bytes) -> None:
    refusal = refused(receive, png_bytes(), b"", mammogram(Modality="CT", SOPClassUID=_CT))

    assert refusal.code == "input:empty_file"
    assert [(entry["index"], entry["code"]) for entry in refusal.errors] == [
        (1, "input:empty_file"),
        (2, "input:not_mammography"),
    ]
    assert store.list_keys("sites") == []


# ── Laterality and view ──


def test_fields_fill_in_for_pictures_and_never_overrule_a_header(receive, mammogram, png_bytes) -> None:
    study = receive(png_bytes(), mammogram(), image_lateralities=["L", "L"], view_positions=["cc", "CC"])

    assert (study.images[0].image_laterality, study.images[0].view_position) == ("L", "CC")
    assert (study.images[1].image_laterality, study.images[1].view_position) == ("R", "MLO")


def test_a_field_that_is_no_view_is_named(receive, png_bytes) -> None:
    refusal = refused(receive, png_bytes(), view_positions=["sideways"])

    assert refusal.code == "input:invalid_field"
    assert refusal.errors[0]["field"] == "view_position"


def test_a_view_code_names_the_view(receive, mammogram) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "R-10242", "SRT", "cranio-caudal"

    assert receive(mammogram(ViewPosition=None, ViewCodeSequence=Sequence([code]))).images[0].view_position == "CC"


def test_fujifilms_own_attribute_names_the_view(receive, mammogram) -> None:
    image = receive(
        mammogram(ViewPosition=None, Manufacturer="FUJIFILM Corporation", AcquisitionDeviceProcessingDescription="MAMMO, R-MLO")
    ).images[0]

    assert image.view_position == "MLO"


def test_an_unknown_view_stays_unknown(receive, mammogram) -> None:
    image = receive(mammogram(ViewPosition="PA", ImageLaterality="B")).images[0]

    assert (image.image_laterality, image.view_position) == ("", "")
