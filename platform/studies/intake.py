"""Intake: from uploaded files to de-identified bytes in the object store, or a coded refusal that names every file at fault.

receive → recognise → check → de-identify → compare → store. No pixel is decoded, and nothing is stored unless every file passes.
It writes no rows: studies.services does, inside the caller's transaction. An object stored for a transaction that then fails is
an orphan of a few megabytes under its own digest; the next submission of the same file takes it up.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from accounts.models import Site
from common.object_store import object_store
from inference_worker.contract.failures import CATALOGUE, CodedError
from studies import jpeg, png
from studies.deidentification import PatientIdentity, Pseudonyms, dicom_deidentify
from studies.dicom_header import dicom_header_read
from studies.dicom_rules import dimensions_check, mammography_check, pixel_layout, text_value, transfer_syntax_check
from studies.identity import OriginalIdentifiers
from studies.naming import LATERALITIES, VIEW_POSITIONS, dicom_laterality, dicom_view_position, name_tokens

DICOM, PNG, JPEG = "application/dicom", "image/png", "image/jpeg"


class IntakeRefusal(CodedError):
    """The files are refused. `errors` names each file or field at fault: {field, index, code, message}."""

    def __init__(self, code: str, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__(code)
        self.errors = list(errors)


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """One stored image: de-identified bytes under `object_key`, and what its header says. Empty: the source does not say."""

    object_key: str
    sha256: str
    size_bytes: int
    media_type: str
    rows: int
    columns: int
    photometric_interpretation: str
    image_laterality: str = ""
    view_position: str = ""
    sop_instance_uid: str = ""
    modality: str = ""
    transfer_syntax_uid: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedStudy:
    """The images of one request, in the order sent, and the pseudonyms they share."""

    images: tuple[ReceivedImage, ...]
    study_instance_uid: str = ""
    patient_pseudonym: str = ""
    #: The sender's own identifiers, for studies.identity alone.
    originals: OriginalIdentifiers = field(default_factory=OriginalIdentifiers, repr=False)

    @property
    def content_sha256(self) -> str:
        """The digest of the images' digests, whatever their order: the very same files again have the same one."""
        return hashlib.sha256("\n".join(sorted(image.sha256 for image in self.images)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A de-identified file on its way to the store. `identity` is compared and dropped with the request."""

    image: ReceivedImage
    path: Path
    identity: PatientIdentity
    original_study_uid: str = ""
    original_sop_uid: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    patient_pseudonym: str = ""


class _Sink:
    """A temporary file that digests what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def study_receive(
    *,
    site: Site,
    files: Sequence[UploadedFile],
    image_lateralities: Sequence[str] = (),
    view_positions: Sequence[str] = (),
) -> ReceivedStudy:
    """Check, de-identify and store the files of one study.

    `image_lateralities` and `view_positions` are aligned to `files` and fill in where a file does not say; a DICOM header that
    does say wins. Raises IntakeRefusal with an `input:` code, or CodedError system:storage_*.
    """
    _count_check(files)
    lateralities = _aligned(image_lateralities, len(files), "image_laterality", LATERALITIES)
    views = _aligned(view_positions, len(files), "view_position", VIEW_POSITIONS)
    pseudonyms = Pseudonyms(key=bytes.fromhex(site.pseudonym_key))
    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        prepared: list[_Prepared] = []
        errors: list[dict[str, Any]] = []
        for index, file in enumerate(files):
            try:
                prepared.append(_prepare(site, file, lateralities[index], views[index], pseudonyms, stack))
            except CodedError as error:
                errors.append(_file_error(index, error.code, error.detail))
        if errors:
            raise IntakeRefusal(errors[0]["code"], errors)
        _same_study_check(prepared)
        store = object_store()
        for item in prepared:
            if not store.exists(item.image.object_key):
                store.put_file(item.image.object_key, item.path, move=True)
    return ReceivedStudy(
        images=tuple(item.image for item in prepared),
        study_instance_uid=next((item.study_instance_uid for item in prepared if item.study_instance_uid), ""),
        patient_pseudonym=next((item.patient_pseudonym for item in prepared if item.patient_pseudonym), ""),
        originals=_originals(prepared),
    )


def _originals(prepared: Sequence[_Prepared]) -> OriginalIdentifiers:
    """What the headers say, each from the first that says it; _same_study_check has found no contradiction."""
    return OriginalIdentifiers(
        study_instance_uid=next((item.original_study_uid for item in prepared if item.original_study_uid), ""),
        patient_id=next((item.identity.patient_id for item in prepared if item.identity.patient_id), ""),
        accession_number=next((item.accession_number for item in prepared if item.accession_number), ""),
        sop_instance_uids=tuple(item.original_sop_uid for item in prepared),
    )


def _count_check(files: Sequence[UploadedFile]) -> None:
    if not files:
        raise IntakeRefusal("input:no_files", [{"field": "files", "code": "required", "message": "No file was sent."}])
    if len(files) > settings.INTAKE_MAX_FILES:
        raise IntakeRefusal("input:too_many_files", [])


def _aligned(given: Sequence[str], count: int, field: str, allowed: Sequence[str]) -> list[str]:
    """The optional field of each file, upper case; empty where it was not sent. Raises IntakeRefusal input:invalid_field."""
    values = [value.strip().upper() for value in given]
    errors = [
        {"field": field, "index": index, "code": "invalid", "message": f"Send one of {', '.join(allowed)}, or nothing."}
        for index, value in enumerate(values)
        if value and value not in allowed
    ]
    if len(values) > count:
        errors.append({"field": field, "code": "too_many", "message": f"There are more {field} fields than files."})
    if errors:
        raise IntakeRefusal("input:invalid_field", errors)
    return values + [""] * (count - len(values))


def _file_error(index: int, code: str, detail: str) -> dict[str, Any]:
    message = CATALOGUE[code].message + (f" ({detail})" if detail else "")
    return {"field": "files", "index": index, "code": code, "message": message}


def media_type_recognise(file: IO[bytes]) -> str:
    """The media type, by the file's own first 132 bytes: neither its name nor its declared type counts.

    Raises CodedError input:empty_file or input:not_an_image.
    """
    file.seek(0)
    head = file.read(132)
    if not head:
        raise CodedError("input:empty_file")
    if head.startswith(png.SIGNATURE):
        return PNG
    if head.startswith(jpeg.SIGNATURE):
        return JPEG
    # Old files lack the preamble: they begin with a tag of group 0002 or 0008, in either byte order.
    if head[128:] == b"DICM" or (head[:2] in (b"\x02\0", b"\x08\0") and head[3] == 0) or (head[:3] == b"\0\x08\0"):
        return DICOM
    raise CodedError("input:not_an_image")


def _prepare(
    site: Site, file: UploadedFile, laterality: str, view: str, pseudonyms: Pseudonyms, stack: contextlib.ExitStack
) -> _Prepared:
    """Check and de-identify one file into a temporary file that the stack removes."""
    source = cast(IO[bytes], file.file)
    if (file.size or 0) > settings.INTAKE_MAX_FILE_BYTES:
        raise CodedError("input:too_large")
    media_type = media_type_recognise(source)
    descriptor, name = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, suffix=".intake")
    path = Path(name)
    stack.callback(path.unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as target:
        sink = _Sink(target)
        if media_type == DICOM:
            return _prepare_dicom(site, source, sink, path, laterality, view, pseudonyms)
        return _prepare_raster(site, file, source, sink, path, media_type, laterality, view)


def _object_key(site: Site, sha256: str) -> str:
    return f"sites/{site.id}/images/{sha256[:2]}/{sha256}"


def _prepare_dicom(
    site: Site, source: IO[bytes], sink: _Sink, path: Path, laterality: str, view: str, pseudonyms: Pseudonyms
) -> _Prepared:
    header = dicom_header_read(source)
    mammography_check(header)
    transfer_syntax_check(header)
    layout = pixel_layout(header)
    result = dicom_deidentify(header=header, layout=layout, pseudonyms=pseudonyms, write=sink.write)
    dataset = header.dataset
    return _Prepared(
        image=ReceivedImage(
            object_key=_object_key(site, sink.sha256),
            sha256=sink.sha256,
            size_bytes=sink.size_bytes,
            media_type=DICOM,
            rows=layout.rows,
            columns=layout.columns,
            photometric_interpretation=layout.photometric_interpretation,
            image_laterality=dicom_laterality(dataset) or laterality,
            view_position=dicom_view_position(dataset) or view,
            sop_instance_uid=result.sop_instance_uid,
            modality=text_value(dataset, "Modality").upper(),
            transfer_syntax_uid=header.transfer_syntax_uid,
        ),
        path=path,
        identity=PatientIdentity.of(dataset),
        original_study_uid=text_value(dataset, "StudyInstanceUID"),
        original_sop_uid=text_value(dataset, "SOPInstanceUID"),
        accession_number=text_value(dataset, "AccessionNumber"),
        study_instance_uid=result.study_instance_uid,
        patient_pseudonym=result.patient_pseudonym,
    )


def _prepare_raster(
    site: Site, file: UploadedFile, source: IO[bytes], sink: _Sink, path: Path, media_type: str, laterality: str, view: str
) -> _Prepared:
    if media_type == PNG:
        facts = png.png_copy(source, size=file.size or 0, check=dimensions_check, write=sink.write)
    else:
        facts = jpeg.jpeg_copy(source, check=dimensions_check, write=sink.write)
    named_laterality, named_view = name_tokens(file.name or "")
    return _Prepared(
        image=ReceivedImage(
            object_key=_object_key(site, sink.sha256),
            sha256=sink.sha256,
            size_bytes=sink.size_bytes,
            media_type=media_type,
            rows=facts.rows,
            columns=facts.columns,
            photometric_interpretation=facts.photometric_interpretation,
            image_laterality=laterality or named_laterality,
            view_position=view or named_view,
        ),
        path=path,
        identity=PatientIdentity(),  # a raster image names nobody
    )


def _same_study_check(prepared: Sequence[_Prepared]) -> None:
    """One patient, one study, every image once. Raises IntakeRefusal naming the files that differ from earlier ones."""
    patients, studies, duplicates = [], [], []
    for index, item in enumerate(prepared):
        earlier = prepared[:index]
        if any(item.identity.contradicts(other.identity) for other in earlier):
            patients.append(index)
        uid = item.original_study_uid
        if any(uid and other.original_study_uid and uid != other.original_study_uid for other in earlier):
            studies.append(index)
        if any(_is_same_image(item.image, other.image) for other in earlier):
            duplicates.append(index)
    found = (("input:mixed_patients", patients), ("input:mixed_studies", studies), ("input:duplicate_file", duplicates))
    for code, indices in found:
        if indices:
            raise IntakeRefusal(code, [_file_error(index, code, "") for index in indices])


def _is_same_image(image: ReceivedImage, other: ReceivedImage) -> bool:
    same_instance = bool(image.sop_instance_uid) and image.sop_instance_uid == other.sop_instance_uid
    return image.sha256 == other.sha256 or same_instance
