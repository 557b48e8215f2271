"""Where the files of an item are, opened as intake takes them: uploads, an archive's study, a place named by address.

It changes nothing. A file's name is never kept: `source_key` names a study of an archive by a digest under the site's key.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from accounts.models import Site
from batches.models import BatchItem, BatchSource
from inference_worker.contract.failures import CATALOGUE, CodedError
from studies.intake import IntakeRefusal
from transfers.archives import archive_entries, archive_studies
from transfers.entries import ArchiveRefusal, ImportEntry, entries_open
from transfers.grouping import ArchiveStudy
from transfers.models import ON_DISK, Upload, UploadKind, UploadState
from transfers.prefixes import prefix_files, prefix_studies
from transfers.selectors import uploads_of_batch
from transfers.services import upload_path, uploads_open, uploads_ready

#: Archives whose contents are remembered, so that a thousand studies of one are not a thousand readings of its directory.
_SOURCES_REMEMBERED = 4


class FilesNotHere(Exception):
    """Uploads of the item are still on their way."""


@dataclass(slots=True)
class ItemFiles:
    """The files of one study, open; `uploads` are to be consumed by whoever stores it."""

    files: list[UploadedFile]
    uploads: list[Upload] = field(default_factory=list)


@contextlib.contextmanager
def item_open(*, item: BatchItem, site: Site) -> Iterator[ItemFiles]:
    """The item's files while the block runs. Raises FilesNotHere, IntakeRefusal naming each file at fault, or CodedError."""
    if item.source is not None:
        with _source_study(item.source, site, item.source_key).open() as unpacked:
            _refusals_raise(unpacked.refusals)
            yield ItemFiles(files=unpacked.files)
    elif item.prefix:
        with _entries(prefix_files(site=site, url=item.prefix)) as files:
            yield ItemFiles(files=files)
    else:
        uploads = item_uploads(item=item, site=site)
        if [upload.kind for upload in uploads] == [UploadKind.ARCHIVE]:
            with _entries(archive_entries(upload_path(uploads[0]))) as files:
                yield ItemFiles(files=files, uploads=uploads)
        else:
            ready = uploads_ready(site=site, ids=[upload.pk for upload in uploads])
            with uploads_open(ready) as opened:
                yield ItemFiles(files=opened, uploads=ready)


def item_uploads(*, item: BatchItem, site: Site) -> list[Upload]:
    """Its uploads, all of them finished: those it names, else those that named it.

    Raises FilesNotHere; CodedError input:no_files, input:unknown_upload, input:upload_gone, input:upload_consumed.
    """
    if item.uploads:
        found = {str(upload.pk): upload for upload in Upload.objects.filter(site=site, pk__in=item.uploads)}
        if missing := next((text for text in item.uploads if text not in found), None):
            raise CodedError("input:unknown_upload", missing)
        uploads = [found[text] for text in item.uploads]
    else:
        named = uploads_of_batch(site=site, batch_id=item.batch_id).filter(custom_id=item.custom_id)
        uploads = list(named.filter(state__in=[*ON_DISK, UploadState.REFUSED]))
        if not uploads:
            raise CodedError("input:no_files")
    for upload in uploads:
        if upload.state == UploadState.CONSUMED:
            raise CodedError("input:upload_consumed", str(upload.pk))
        if upload.state == UploadState.REFUSED and upload.failure_code in CATALOGUE:
            raise CodedError(upload.failure_code, str(upload.pk))
        if upload.state not in ON_DISK:
            raise CodedError("input:upload_gone", str(upload.pk))
    if any(upload.state == UploadState.RECEIVING for upload in uploads):
        raise FilesNotHere
    return uploads


def uploads_known(*, site: Site, ids: Sequence[str]) -> set[str]:
    """Which of these are uploads of the site that have, or are still getting, their bytes."""
    rows = Upload.objects.filter(site=site, pk__in=ids, state__in=ON_DISK)
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def source_contents(*, source: BatchSource, site: Site) -> Iterator[ArchiveStudy | ArchiveRefusal]:
    """What an archive or a place holds. Raises FilesNotHere, or CodedError when it is refused as a whole."""
    if source.prefix:
        return prefix_studies(site=site, url=source.prefix)
    upload = Upload.objects.filter(site=site, pk=source.upload or uuid.UUID(int=0)).first()
    if upload is None:
        raise CodedError("input:unknown_upload", str(source.upload))
    if upload.state == UploadState.RECEIVING:
        raise FilesNotHere
    [ready] = uploads_ready(site=site, ids=[upload.pk], kind=UploadKind.ARCHIVE)
    return archive_studies(upload_path(ready))


def source_key_of(*, study: ArchiveStudy, site: Site) -> str:
    """The study's name within its source, under the site's key: 64 hexadecimal digits, the same at every reading."""
    return hmac.new(bytes.fromhex(site.pseudonym_key), f"source\x1f{study.key}".encode(), hashlib.sha256).hexdigest()


_remembered: OrderedDict[int, dict[str, ArchiveStudy]] = OrderedDict()


def _source_study(source: BatchSource, site: Site, key: str) -> ArchiveStudy:
    studies = _remembered.get(source.pk)
    if studies is None or key not in studies:
        contents = source_contents(source=source, site=site)
        studies = {source_key_of(study=found, site=site): found for found in contents if isinstance(found, ArchiveStudy)}
        _remembered[source.pk] = studies
        while len(_remembered) > _SOURCES_REMEMBERED:
            _remembered.popitem(last=False)
    if key not in studies:
        raise CodedError("input:archive_empty", "the study is not there any more")
    return studies[key]


def source_forget(source_id: int) -> None:
    _remembered.pop(source_id, None)


@contextlib.contextmanager
def _entries(found: Iterable[ImportEntry | ArchiveRefusal]) -> Iterator[list[UploadedFile]]:
    """All images of an archive or a place as the files of one study."""
    listed = list(found)
    _refusals_raise([entry for entry in listed if isinstance(entry, ArchiveRefusal)])
    entries = [entry for entry in listed if isinstance(entry, ImportEntry)]
    if not entries:
        raise CodedError("input:archive_empty")
    with entries_open(entries) as unpacked:
        _refusals_raise(unpacked.refusals)
        yield unpacked.files


def _refusals_raise(refusals: Iterable[ArchiveRefusal]) -> None:
    """A study is not read in part: what its sender thinks is in it must be in it."""
    errors: list[dict[str, Any]] = [
        {"field": "files", "index": refusal.entry_index, "code": refusal.code, "message": CATALOGUE[refusal.code].message}
        for refusal in refusals
        if not refusal.is_ignored
    ]
    if errors:
        raise IntakeRefusal(errors[0]["code"], errors)


def uploads_by_id(*, site: Site, ids: Iterable[str | uuid.UUID]) -> list[Upload]:
    """Uploads of the site, in no order."""
    return list(Upload.objects.filter(site=site, pk__in=list(ids)))
