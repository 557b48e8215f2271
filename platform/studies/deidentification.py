"""De-identification of DICOM objects: PS3.15 Annex E Basic Application Level Confidentiality Profile, no options, and stricter.

Table E.1-1 comes as data from the dicom-anonymizer library. Beyond it, whatever could carry free text or a person goes too,
because the worker needs numbers and coded words only: private and unknown attributes, overlays, curves, signatures, free text,
names, dates, addresses, unlisted binary values. What stays is checked character by character.

The same bytes from the same site give the same bytes: pseudonyms are HMACs under the site's key, nothing depends on the clock.
It does not look into pixels or codestreams: text burned into an image is not found here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table_e1_1
from pydicom import dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from inference_worker.contract.failures import CodedError
from studies.dicom_header import PYDICOM_ERRORS, UNDEFINED_LENGTH, DicomHeader, PixelElement
from studies.dicom_rules import PixelLayout, sop_class_uid, text_value

_METHOD = "PS3.15 Basic Profile, MammoServe 1"
_IMPLEMENTATION_CLASS_UID = UID("2.25.201693472066301817540411297735140218233")
_STANDARD_UID = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,50}")
_CHUNK = 1024 * 1024


def _tags(*names: str) -> frozenset[int]:
    return frozenset((entry[0] << 16) | entry[1] for name in names for entry in getattr(table_e1_1, name) if len(entry) == 2)


#: Emptied: type 2 attributes and those the table lets us empty.
_EMPTY = _tags("Z_TAGS", "Z_D_TAGS")
_PSEUDONYM_UID = _tags("U_TAGS")
#: Removed. D, a dummy, is asked where other kinds of object need the attribute to be valid; a mammogram does not.
_REMOVE = _tags("X_TAGS", "X_Z_TAGS", "X_D_TAGS", "X_Z_D_TAGS", "X_Z_U_STAR_TAGS", "D_TAGS")

_NUMERIC_VRS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "US or SS"})
#: Unlisted binary values that the worker needs: LUT data. Pixel data is copied apart from the header.
_BINARY_KEPT = frozenset({0x00283006})
#: Unlisted words that say how the image was made, not of whom.
_WORDS_KEPT = frozenset(
    {
        0x00080070,  # Manufacturer
        0x00081090,  # Manufacturer's Model Name
        0x00080100,  # Code Value
        0x00080102,  # Coding Scheme Designator
        0x00281054,  # Rescale Type
        0x00283004,  # Modality LUT Type
    }
)
_CODE_MEANING = 0x00080104
_CHARACTER_SET = 0x00080005  # all text that stays is ASCII
_CODED = re.compile(r"[A-Z0-9 _]{0,16}")
_NUMBER = re.compile(r"[0-9+\-.eE ]{0,16}")
_WORD = re.compile(r"[A-Za-z0-9 ._+\-/()]{0,64}")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """A site's pseudonyms: the same original gives the same pseudonym, and without the key nothing leads back."""

    key: bytes

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\x1f{text}".encode(), hashlib.sha256).digest()

    def uid(self, original: str) -> UID:
        """A UID under 2.25 (a UUID made of the HMAC); empty for an empty one."""
        original = original.strip(" \0")
        if not original:
            return UID("")
        return UID(f"2.25.{uuid.UUID(bytes=self._digest('uid', original)[:16], version=5).int}")

    def patient(self, identity: PatientIdentity) -> str:
        """A patient's pseudonym: of the Patient ID, else of name and birth date; empty when the header names nobody."""
        if identity.patient_id:
            text = f"id\x1f{identity.patient_id}"
        elif identity.name or identity.birth_date:
            text = f"person\x1f{identity.name}\x1f{identity.birth_date}"
        else:
            return ""
        return "P" + self._digest("patient", text).hex()[:24].upper()


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who the header says this is, normalised for comparison. It never leaves the request: not stored, not logged."""

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""

    @classmethod
    def of(cls, dataset: Dataset) -> PatientIdentity:
        name = re.sub(r"[\s^=]+", " ", text_value(dataset, "PatientName")).strip().casefold()
        return cls(text_value(dataset, "PatientID"), name, text_value(dataset, "PatientBirthDate"))

    def contradicts(self, other: PatientIdentity) -> bool:
        """Both say something, and not the same."""
        pairs = ((self.patient_id, other.patient_id), (self.name, other.name), (self.birth_date, other.birth_date))
        return any(mine and theirs and mine != theirs for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The pseudonyms a de-identified object carries."""

    sop_instance_uid: str
    study_instance_uid: str
    patient_pseudonym: str


def dicom_deidentify(
    *, header: DicomHeader, layout: PixelLayout, pseudonyms: Pseudonyms, write: Callable[[bytes], Any]
) -> Deidentified:
    """Write the de-identified object through `write`, pixels copied as they are in chunks.

    Raises CodedError input:header_corrupt. Attributes that pydicom cannot read are left out.
    """
    assert header.pixel is not None, "pixel_layout has passed"
    output = _dataset(header.dataset, pseudonyms)
    identity = PatientIdentity.of(header.dataset)
    patient = pseudonyms.patient(identity)
    sop_instance_uid = pseudonyms.uid(text_value(header.dataset, "SOPInstanceUID")) or _uid_of_content(header, pseudonyms)
    sop_class = UID(sop_class_uid(header))
    if sop_class:
        output.SOPClassUID = sop_class
    output.SOPInstanceUID = sop_instance_uid
    output.PatientName = patient
    output.PatientID = patient
    output.PatientIdentityRemoved = "YES"
    output.DeidentificationMethod = _METHOD
    output.DeidentificationMethodCodeSequence = Sequence([_profile_code()])
    output.LongitudinalTemporalInformationModified = "REMOVED"
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # pydicom fills in the length
    meta.FileMetaInformationVersion = b"\x00\x01"
    if sop_class:
        meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = UID(header.transfer_syntax_uid)
    meta.ImplementationClassUID = _IMPLEMENTATION_CLASS_UID
    output.file_meta = meta
    output.preamble = b"\0" * 128
    buffer = BytesIO()
    try:
        dcmwrite(
            buffer,
            output,
            implicit_vr=header.is_implicit_vr,
            little_endian=header.is_little_endian,
            enforce_file_format=False,
        )
    except PYDICOM_ERRORS as error:
        raise CodedError("input:header_corrupt", type(error).__name__) from None
    write(buffer.getvalue())
    _pixels_copy(header, header.pixel, layout, write)
    return Deidentified(
        sop_instance_uid=sop_instance_uid,
        study_instance_uid=pseudonyms.uid(text_value(header.dataset, "StudyInstanceUID")),
        patient_pseudonym=patient,
    )


def _dataset(original: Dataset, pseudonyms: Pseudonyms) -> Dataset:
    """A new data set with what may stay, at every depth."""
    kept = Dataset()
    for tag in sorted(original.keys()):
        try:
            element = _element(original[tag], pseudonyms)
        except PYDICOM_ERRORS:
            continue  # an unreadable attribute is no loss to the worker, and could hold anything
        if element is not None:
            kept.add(element)
    return kept


def _element(element: DataElement, pseudonyms: Pseudonyms) -> DataElement | None:
    """The element that may stay in the place of this one, or None."""
    tag = int(element.tag)
    group = tag >> 16
    if group % 2 or group < 0x0008 or group >= 0x4FFE or not tag & 0xFFFF:
        return None  # private, file meta, curves, overlays, pixels (copied apart), signatures, group lengths
    try:
        known_vr = dictionary_VR(tag)
    except KeyError:
        return None
    if tag in _REMOVE or tag == _CHARACTER_SET:
        return None
    if tag in _EMPTY:
        return DataElement(tag, known_vr, Sequence([]) if known_vr == "SQ" else None)
    if element.VR == "SQ":
        items = [inner for item in element.value or [] if len(inner := _dataset(item, pseudonyms))]
        return DataElement(tag, "SQ", Sequence(items)) if items else None
    if element.VR == "UI":
        return _uids(element, pseudonyms)
    return _value(element, tag)


def _uids(element: DataElement, pseudonyms: Pseudonyms) -> DataElement:
    """UIDs of the standard stay; every other one becomes a pseudonym, listed in the table or not."""
    listed = int(element.tag) in _PSEUDONYM_UID
    mapped = [
        uid if _STANDARD_UID.fullmatch(uid) and not listed else pseudonyms.uid(uid) for uid in map(str, _values(element.value))
    ]
    return DataElement(element.tag, "UI", mapped[0] if len(mapped) == 1 else mapped or "")


def _value(element: DataElement, tag: int) -> DataElement | None:
    vr = str(element.VR)
    if vr in _NUMERIC_VRS:
        return element if all(isinstance(value, (int, float)) for value in _values(element.value)) else None
    if tag in _BINARY_KEPT:
        return element
    if tag == _CODE_MEANING:
        return DataElement(tag, "LO", "removed")  # required beside a code, free text by nature
    allowed = {"CS": _CODED, "DS": _NUMBER, "IS": _NUMBER}.get(vr) or (_WORD if tag in _WORDS_KEPT else None)
    if allowed is None:
        return None
    texts = [str(value).strip(" \0") for value in _values(element.value)]
    if not all(allowed.fullmatch(text) for text in texts):
        return None
    return DataElement(tag, vr, texts[0] if len(texts) == 1 else texts or None)


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)


def _profile_code() -> Dataset:
    code = Dataset()
    code.CodeValue = "113100"
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    return code


def _uid_of_content(header: DicomHeader, pseudonyms: Pseudonyms) -> UID:
    """A SOP Instance UID for an object that has none: of its bytes, so that it is the same each time."""
    digest = hashlib.sha256()
    header.source.seek(0)
    while chunk := header.source.read(_CHUNK):
        digest.update(chunk)
    return pseudonyms.uid(digest.hexdigest())


def _pixels_copy(header: DicomHeader, pixel: PixelElement, layout: PixelLayout, write: Callable[[bytes], Any]) -> None:
    """The pixel element: its head anew, its value as it is, and nothing of what follows it in the file."""
    order = "<" if header.is_little_endian else ">"
    padding = layout.value_bytes % 2
    length = UNDEFINED_LENGTH if layout.is_encapsulated else layout.value_bytes + padding
    tag = struct.pack(order + "HH", 0x7FE0, 0x0010)
    if header.is_implicit_vr:
        write(tag + struct.pack(order + "I", length))
    else:
        vr = b"OB" if layout.is_encapsulated or pixel.vr == "OB" else b"OW"
        write(tag + vr + b"\0\0" + struct.pack(order + "I", length))
    source_copy(header.source, start=pixel.value_start, length=layout.value_bytes, write=write)
    if layout.is_encapsulated:
        write(struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0))
    elif padding:
        write(b"\0")


def source_copy(source: IO[bytes], *, start: int, length: int, write: Callable[[bytes], Any]) -> None:
    """Copy a stretch of a file in chunks. Raises CodedError input:file_truncated when it ends before."""
    source.seek(start)
    left = length
    while left:
        chunk = source.read(min(_CHUNK, left))
        if not chunk:
            raise CodedError("input:file_truncated", "the file shrank while it was read")
        write(chunk)
        left -= len(chunk)
