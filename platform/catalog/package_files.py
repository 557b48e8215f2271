"""The bytes of an installed package, read from the object store: its card, single files, the whole as a zip.

Only what the manifest lists is ever opened, so that an address is no way to look around in the store.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from catalog.models import ModelPackage
from common.object_store import object_store
from inference_worker.contract.failures import CodedError
from model_registry.packaging import MANIFEST_NAME, SIGNATURE_NAME

logger = logging.getLogger(__name__)

CARD_BYTES_MAXIMUM = 512 * 1024
_CHUNK = 1024 * 1024
#: Zip has no earlier date; a fixed one makes two downloads the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file that belongs to a package. `sha256` None: the manifest and the signature, which the manifest cannot list."""

    path: str
    key: str
    size_bytes: int
    sha256: str | None

    def open(self) -> BinaryIO:
        return object_store().open(self.key)


def package_file(*, package: ModelPackage, path: str) -> PackageFile | None:
    """The file of this path, None when the package has none. Raises CodedError for storage that fails."""
    key = f"{package.object_key}/{path}"
    for entry in package.manifest["files"]:
        if entry["path"] == path:
            return PackageFile(path, key, entry["size_bytes"], entry["sha256"])
    if path in (MANIFEST_NAME, SIGNATURE_NAME) and object_store().exists(key):
        return PackageFile(path, key, object_store().size(key), None)
    return None


def package_card(*, package: ModelPackage) -> str | None:
    """The model card's Markdown, its first half megabyte; None when the store has lost it."""
    found = package_file(package=package, path=package.manifest["card"])
    if found is None:
        return None
    try:
        with found.open() as stream:
            return stream.read(CARD_BYTES_MAXIMUM).decode("utf-8", "replace")
    except CodedError as error:
        if error.code != "system:object_missing":
            raise
        logger.warning("package %s: its card is not in the object store", package.pk)
        return None


def package_zip(*, package: ModelPackage) -> Iterator[bytes]:
    """The package as a zip archive, piece by piece: the folder NAME-VERSION with every file, uncompressed.

    Every file is looked for before the first byte goes out. Raises CodedError system:object_missing when one is gone.
    """
    paths = [MANIFEST_NAME, *(entry["path"] for entry in package.manifest["files"]), SIGNATURE_NAME]
    files = [found for path in paths if (found := package_file(package=package, path=path)) is not None]
    for found in files:
        if not object_store().exists(found.key):
            raise CodedError("system:object_missing", found.path)
    return _zip(files, folder=f"{package.name}-{package.version}")


def _zip(files: list[PackageFile], *, folder: str) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(f"{folder}/{file.path}", _DATE)
            entry.external_attr = 0o100644 << 16
            with file.open() as reader, archive.open(entry, "w", force_zip64=True) as writer:
                while piece := reader.read(_CHUNK):
                    writer.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """Where the archive is written to: holds what was not yet sent on. Cannot seek, so zipfile never tries to."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        """Nothing is held open."""

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
