"""De-identification: nothing of the original identity survives, what the worker needs does, and twice gives the same."""

from __future__ import annotations

import datetime
import io
import string

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from studies.deidentification import PatientIdentity, Pseudonyms

_EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_WORD = st.text(string.ascii_letters, min_size=8, max_size=16)


def _stored(receive, store, data: bytes, **fields) -> tuple[bytes, Dataset]:
    raw = store.get_bytes(receive(data, **fields).images[0].object_key)
    return raw, pydicom.dcmread(io.BytesIO(raw))


def _item(**values) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


@_EXAMPLES
@given(
    words=st.lists(_WORD, min_size=14, max_size=14, unique_by=str.lower),
    digits=st.text("123456789", min_size=9, max_size=12),
    date=st.dates(min_value=datetime.date(1901, 1, 1)).map(lambda day: day.strftime("%Y%m%d")),
)
def test_no_identifier_survives_anywhere_in_the_stored_bytes(receive, store, mammogram, words, digits, date) -> None:
    """Names, numbers, dates, institutions, UIDs, private and nested values, in listed and in unlisted attributes."""
    uids = [f"1.2.826.0.1.3680043.10.{digits}.{last}" for last in range(6)]
    private = Dataset()
    private.add_new(0x00190010, "LO", "ACME 1.0")
    private.add_new(0x00191001, "LO", words[5])
    nested = _item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.1.2",
        ReferencedSOPInstanceUID=uids[3],
        PatientName=words[6],
        InstitutionName=words[7],
        CodeMeaning=words[8],
        ContentDate=date,
    )
    file = pydicom.dcmread(
        io.BytesIO(
            mammogram(
                PatientName=f"{words[0]}^{words[1]}",
                PatientID=f"ID{digits}",
                PatientBirthDate=date,
                StudyDate=date,
                InstitutionName=words[2],
                ReferringPhysicianName=words[3],
                StudyDescription=words[4],
                SOPInstanceUID=uids[0],
                StudyInstanceUID=uids[1],
                SeriesInstanceUID=uids[2],
                DerivationDescription=words[9],
                WindowCenterWidthExplanation=words[10],
                OtherPatientNames=words[11],
                SourceImageSequence=Sequence([nested]),
                ViewCodeSequence=Sequence([_item(CodeValue="R-10226", CodeMeaning=words[12], CodingSchemeDesignator="SRT")]),
                AnatomicRegionSequence=Sequence([nested]),
                FrameOfReferenceUID=uids[4],
                RequestAttributesSequence=Sequence([_item(StudyInstanceUID=uids[5], RequestedProcedureID=words[13])]),
            )
        )
    )
    file.update(private)
    file.add_new(0x60003000, "OW", words[0].encode() * 2)  # an overlay
    file.add_new(0x60000022, "LO", words[1])
    file.preamble = words[2].encode().ljust(128, b"\0")
    buffer = io.BytesIO()
    file.save_as(buffer)
    source = buffer.getvalue() + b"\xfc\xff\xfc\xff" + b"OB\0\0\x10\0\0\0" + words[3].encode()[:16].ljust(16)

    raw, stored = _stored(receive, store, source)

    lowered = raw.lower()
    for identifier in [*words, digits, *uids, date]:
        assert identifier.lower().encode() not in lowered
    assert stored.preamble == b"\0" * 128
    assert not [element for element in stored.iterall() if element.tag.is_private]


def test_the_worker_finds_what_it_needs(receive, store, mammogram) -> None:
    lut = _item(LUTDescriptor=[3, 0, 16], ModalityLUTType="US", LUTData=b"\x00\x00\x01\x00\x02\x00")
    lut["LUTDescriptor"].VR = "US"
    lut["LUTData"].VR = "OW"
    _, stored = _stored(
        receive,
        store,
        mammogram(
            PixelSpacing=["0.07", "0.07"],
            ImagerPixelSpacing=["0.07", "0.07"],
            PixelPaddingValue=0,
            VOILUTFunction="SIGMOID",
            WindowCenter=["2047.5", "1000"],
            WindowWidth=["4096", "800"],
            PresentationLUTShape="IDENTITY",
            RescaleIntercept="0",
            RescaleSlope="1",
            RescaleType="US",
            VOILUTSequence=Sequence([lut]),
            PatientOrientation=["P", "L"],
            BurnedInAnnotation="NO",
            Manufacturer="ACME Imaging",
        ),
    )

    assert list(stored.PixelSpacing) == [0.07, 0.07]
    assert list(stored.WindowCenter) == [2047.5, 1000]
    assert stored.VOILUTFunction == "SIGMOID"
    assert stored.VOILUTSequence[0].LUTData == b"\x00\x00\x01\x00\x02\x00"
    assert (stored.ImageLaterality, stored.ViewPosition, stored.Modality) == ("R", "MLO", "MG")
    assert (stored.PixelPaddingValue, stored.BitsStored, stored.PixelRepresentation) == (0, 12, 0)
    assert (stored.RescaleType, stored.Manufacturer) == ("US", "ACME Imaging")
    assert np.array_equal(stored.pixel_array, np.arange(96 * 80).reshape(96, 80) % 4096)


def test_the_object_says_what_was_done_to_it(receive, store, mammogram) -> None:
    _, stored = _stored(receive, store, mammogram())

    assert stored.PatientIdentityRemoved == "YES"
    assert stored.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert stored.LongitudinalTemporalInformationModified == "REMOVED"
    assert stored.PatientID == stored.PatientName
    assert stored.PatientBirthDate == ""
    assert stored.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
    assert stored.SOPInstanceUID.startswith("2.25.")
    assert stored.SOPInstanceUID.is_valid


def test_the_same_file_gives_the_same_bytes_and_another_site_other_pseudonyms(receive, store, mammogram, other_site) -> None:
    first, mine = _stored(receive, store, mammogram())
    again, _ = _stored(receive, store, mammogram())
    _, theirs = _stored(receive, store, mammogram(), at=other_site)

    assert first == again
    assert mine.PatientID != theirs.PatientID
    assert mine.StudyInstanceUID != theirs.StudyInstanceUID


def test_references_between_objects_of_a_site_still_meet(receive, store, mammogram) -> None:
    _, first = _stored(receive, store, mammogram())
    _, second = _stored(receive, store, mammogram(SOPInstanceUID="1.2.3.4.5", ViewPosition="CC"))

    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.PatientID == second.PatientID


def test_an_already_deidentified_object_passes_again(receive, store, mammogram) -> None:
    raw, _ = _stored(receive, store, mammogram())
    _, twice = _stored(receive, store, raw)

    assert twice.PatientIdentityRemoved == "YES"
    assert len(twice.DeidentificationMethodCodeSequence) == 1


def test_an_object_without_instance_uid_gets_one_of_its_content(receive, store, mammogram) -> None:
    data = mammogram(SOPInstanceUID=None)

    _, first = _stored(receive, store, data)
    _, again = _stored(receive, store, data)
    _, other = _stored(receive, store, mammogram(SOPInstanceUID=None, WindowWidth="100"))

    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID


def test_a_number_that_is_text_is_dropped(receive, store, mammogram) -> None:
    data = mammogram(KVP="29")
    at = data.index(b"\x18\x00\x60\x00DS")
    assert data[at + 8 : at + 10] == b"29"

    raw, stored = _stored(receive, store, data[: at + 8] + b"Bo" + data[at + 10 :])

    assert "KVP" not in stored
    assert b"Bo" not in raw[:600]


def test_text_chunks_of_a_png_and_exif_and_comments_of_a_jpeg_are_gone(receive, store, png_bytes, jpeg_bytes) -> None:
    from PIL import Image as Picture
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Patient", "RoeJane")
    text.add_text("Packed", "RoeJane" * 9, zip=True)
    exif = Picture.Exif()
    exif[0x010E] = "RoeJane"
    for data in (png_bytes(pnginfo=text) + b"RoeJane", jpeg_bytes(exif=exif.tobytes(), comment=b"RoeJane") + b"RoeJane"):
        assert b"RoeJane" in data
        stored = store.get_bytes(receive(data).images[0].object_key)
        assert b"RoeJane" not in stored
        assert b"zTXt" not in stored


@pytest.mark.parametrize(
    ("mine", "theirs", "contradicts"),
    [
        (PatientIdentity("1", "roe", ""), PatientIdentity("1", "roe", "1960"), False),
        (PatientIdentity("1"), PatientIdentity("2"), True),
        (PatientIdentity("1", "roe"), PatientIdentity("", "doe"), True),
        (PatientIdentity(), PatientIdentity("2", "doe", "1960"), False),
    ],
)
def test_identities_contradict_only_where_both_speak(mine, theirs, contradicts) -> None:
    assert mine.contradicts(theirs) is contradicts


def test_pseudonyms_need_the_key() -> None:
    identity = PatientIdentity("MRN-0042")

    assert Pseudonyms(b"a" * 32).patient(identity) != Pseudonyms(b"b" * 32).patient(identity)
    assert Pseudonyms(b"a" * 32).patient(PatientIdentity()) == ""
    assert Pseudonyms(b"a" * 32).uid("1.2.3\0") == Pseudonyms(b"a" * 32).uid("1.2.3")
