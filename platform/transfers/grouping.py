"""Which entries make up one study: DICOM by Study Instance UID, pictures by the folder they lie in.

It reads the beginning of each entry only and judges no image: that is studies.intake's work, once a study is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from inference_worker.contract.failures import CodedError
from studies.dicom_header import dicom_study_uid_read
from studies.intake import DICOM, media_type_recognise
from transfers.entries import ArchiveRefusal, ImportEntry, StudyFiles, content_check, entries_open, entry_head

#: The UID of real files lies in the first few kilobytes; the second try is for files with long private data before it.
_HEADS_BYTES = (64 * 1024, 1024 * 1024)


@dataclass(frozen=True, slots=True)
class ArchiveStudy:
    """The entries of one study, in their order.

    `key` is the same whenever the same archive is read again, and as good a name for the study as its UID: into no log.
    `study_instance_uid` is the hospital's own, empty for pictures; `folder` is the first entry's. Both may identify a patient.
    """

    key: str
    study_instance_uid: str = field(repr=False)
    folder: str = field(repr=False)
    entries: tuple[ImportEntry, ...] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """As declared."""
        return sum(entry.size_bytes for entry in self.entries)

    def open(self) -> contextlib.AbstractContextManager[StudyFiles]:
        """The files on disk while the block runs: see transfers.entries.entries_open."""
        return entries_open(self.entries)


def studies_group(entries: Iterable[ImportEntry | ArchiveRefusal]) -> Iterator[ArchiveStudy | ArchiveRefusal]:
    """Refusals as they are found, then the studies in the order of their first entries; input:archive_empty without any."""
    groups: dict[str, tuple[str, list[ImportEntry]]] = {}
    for entry in entries:
        if isinstance(entry, ArchiveRefusal):
            yield entry
            continue
        try:
            uid = _study_uid(entry)
        except CodedError as error:
            if not error.code.startswith("input:"):
                raise
            yield ArchiveRefusal.of(entry, error)
            continue
        key = hashlib.sha256((f"uid {uid}" if uid else f"folder {entry.folder}").encode("utf-8", "surrogatepass")).hexdigest()
        groups.setdefault(key, (uid, []))[1].append(entry)
    for key, (uid, members) in groups.items():
        yield ArchiveStudy(key=key, study_instance_uid=uid, folder=members[0].folder, entries=tuple(members))
    if not groups:
        yield ArchiveRefusal(code="input:archive_empty")


def _study_uid(entry: ImportEntry) -> str:
    """The Study Instance UID, empty for a picture and for a DICOM file without one. Raises CodedError for what is no image."""
    for size in _HEADS_BYTES:
        head = entry_head(entry, size)
        content_check(head)
        if media_type_recognise(io.BytesIO(head)) != DICOM:
            return ""
        if (uid := dicom_study_uid_read(io.BytesIO(head))) or len(head) < size:
            return uid
    return ""
