"""Overlays of a batch as a streamed ZIP, which is never whole in memory or on disk."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from batches.api.results import items_in_chunks
from batches.models import Batch
from batches.states import ItemStatus
from common.object_store import object_store
from common.spreadsheets import cell_safe
from inference_worker.contract.failures import CodedError
from jobs.models import Result

_COPY_BYTES = 256 * 1024
_INDEX_COLUMNS = ("custom_id", "folder", "file", "target", "raw_maximum", "scaling")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def heatmaps_zip(*, batch: Batch) -> Iterator[bytes]:
    """Overlays (else the maps themselves) of every result, a folder for each item, and an index; stored, for they are PNGs.

    A file that the object store has lost is left out and said so in the index.
    """
    out = _Pipe()
    index = io.StringIO()
    rows = csv.writer(index)
    rows.writerow(_INDEX_COLUMNS)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for items in items_in_chunks(batch, [ItemStatus.SUCCEEDED]):
            payloads = dict(Result.objects.filter(job_id__in=[item.job_id for item in items]).values_list("job_id", "payload"))
            for item in items:
                folder = f"{item.position:05d}-{_UNSAFE.sub('_', item.custom_id)}"
                for number, image in enumerate(payloads[item.job_id]["images"] if item.job_id in payloads else ()):
                    view = "-".join(filter(None, (image["image_laterality"], image["view_position"], str(number))))
                    for heatmap in image["heatmaps"]:
                        key = heatmap["overlay_key"] or heatmap["heatmap_key"]
                        name = f"{view}/{PurePosixPath(key).name}"
                        found = _opened(key)
                        if found is not None:
                            yield from _copied(archive, out, found, f"{folder}/{name}")
                        file = name if found is not None else f"{name} (missing)"
                        row = (item.custom_id, folder, file, heatmap["target"], heatmap["raw_maximum"], heatmap["scaling"])
                        rows.writerow(map(cell_safe, row))
        archive.writestr("index.csv", index.getvalue())
    yield out.taken()


def _opened(key: str) -> BinaryIO | None:
    try:
        return object_store().open(key)
    except CodedError as error:
        if error.code != "system:object_missing":
            raise
        return None


def _copied(archive: zipfile.ZipFile, out: _Pipe, source: BinaryIO, name: str) -> Iterator[bytes]:
    with source, archive.open(zipfile.ZipInfo(name), "w") as target:
        while data := source.read(_COPY_BYTES):
            target.write(data)
            yield out.taken()
    yield out.taken()


class _Pipe(io.RawIOBase):
    """What a ZIP is written to: it cannot be sought, and gives away what it holds."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
