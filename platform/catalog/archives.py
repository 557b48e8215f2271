"""A package's zip archive → a folder, without trusting the archive: names, sizes and kinds are judged before a byte is unpacked.

The manifest is read first and says what may follow and how large it is; nothing else is unpacked. Knows no rows and no HTTP.
"""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import IO

from inference_worker.contract.failures import CodedError
from model_registry.packaging import MANIFEST_NAME, SIGNATURE_NAME, PackageError, manifest_check
from model_registry.packaging.package import FILES_MAXIMUM, MANIFEST_BYTES_MAXIMUM
from model_registry.packaging.signature import SIGNATURE_BYTES_MAXIMUM

_CHUNK = 1024 * 1024
#: zipfile reads a whole directory at once; one of this size lists more files than a package may hold.
_READ_MAXIMUM = 8 * 1024 * 1024
#: What file managers add by themselves.
_LITTER = ("__MACOSX/",)
_LITTER_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def package_unpack(*, archive: IO[bytes], folder: Path, bytes_maximum: int, model_bytes_maximum: int) -> None:
    """Unpack a package into `folder`, which must be empty. It may lie at the archive's top or in one folder there.

    Raises CodedError input:not_an_archive, input:archive_refused (links, paths outside, doubled names, more than the manifest
    lists or says), model:package_missing without a manifest, model:invalid_package, model:too_large above `bytes_maximum`.
    """
    try:
        with zipfile.ZipFile(_Bounded(archive)) as opened:
            _unpack(opened, folder, bytes_maximum=bytes_maximum, model_bytes_maximum=model_bytes_maximum)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeError, ValueError) as error:
        raise CodedError("input:not_an_archive", f"{type(error).__name__}: {str(error)[:200]}") from error
    except RuntimeError as error:  # zipfile's word for a password, and for a broken stream
        raise CodedError("input:archive_refused", str(error)[:200]) from error
    except OSError as error:
        if type(error) is not OSError and not isinstance(error, (PermissionError, FileExistsError)):
            raise
        raise CodedError("input:not_an_archive", "the archive's parts do not lie where it says") from error


def _unpack(opened: zipfile.ZipFile, folder: Path, *, bytes_maximum: int, model_bytes_maximum: int) -> None:
    entries = _entries(opened)
    if MANIFEST_NAME not in entries:
        raise CodedError("model:package_missing", f"the archive holds no {MANIFEST_NAME}")
    data = _read(opened, entries[MANIFEST_NAME], MANIFEST_BYTES_MAXIMUM)
    try:
        manifest = manifest_check(data, model_bytes_maximum=model_bytes_maximum)
    except PackageError as error:
        raise CodedError(error.code, error.detail) from error
    sizes = {entry.path: entry.size_bytes for entry in manifest.files}
    if sum(sizes.values()) > bytes_maximum:
        raise CodedError("model:too_large", f"the listed files hold {sum(sizes.values())} bytes; {bytes_maximum} are accepted")
    if strange := sorted(set(entries) - set(sizes) - {MANIFEST_NAME, SIGNATURE_NAME}):
        raise CodedError(
            "input:archive_refused", f"{len(strange)} files that the manifest does not list: {strange[0][:100]!r}, …"
        )
    if missing := sorted(set(sizes) - set(entries)):
        raise CodedError("model:invalid_package", f"the manifest lists {missing[0]!r}, which the archive does not hold")
    for path, size in sizes.items():
        if entries[path].file_size != size:
            detail = f"{path} has {entries[path].file_size} bytes, the manifest says {size}"
            raise CodedError("model:digest_mismatch", detail)
    (folder / MANIFEST_NAME).write_bytes(data)
    if SIGNATURE_NAME in entries:
        (folder / SIGNATURE_NAME).write_bytes(_read(opened, entries[SIGNATURE_NAME], SIGNATURE_BYTES_MAXIMUM))
    for path, size in sizes.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entries[path]) as reader, target.open("xb") as writer:
            _copy(reader, writer, size=size, name=path)


def _entries(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Path inside the package → entry, for every file. Raises CodedError input:archive_refused for what a package cannot hold."""
    infos = [info for info in opened.infolist() if not info.is_dir() and not _is_litter(info.filename)]
    if len(infos) > FILES_MAXIMUM + 2:
        raise CodedError("input:archive_refused", f"{len(infos)} files; {FILES_MAXIMUM} are accepted")
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        if _leads_outside(name):
            raise CodedError("input:archive_refused", f"a path that leads outside: {name[:100]!r}")
        if name.casefold() in seen:
            raise CodedError("input:archive_refused", f"the same name twice: {name[:100]!r}")
        seen.add(name.casefold())
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise CodedError("input:archive_refused", f"not a plain file: {name[:100]!r}")
        if info.flag_bits & _ENCRYPTED:
            raise CodedError("input:archive_refused", f"encrypted: {name[:100]!r}")
        if info.compress_type not in _METHODS:
            raise CodedError("input:archive_refused", f"compressed by a method other than deflate: {name[:100]!r}")
    tops = {info.filename.partition("/")[0] for info in infos}
    top = f"{tops.pop()}/" if len(tops) == 1 else ""
    if not all(info.filename.startswith(top) and len(info.filename) > len(top) for info in infos):
        top = ""
    return {info.filename.removeprefix(top): info for info in infos}


def _leads_outside(name: str) -> bool:
    return (
        not name
        or name.startswith("/")
        or "\\" in name
        or "\x00" in name
        or ":" in name
        or any(part in ("", ".", "..") for part in name.split("/"))
    )


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER) or name.rpartition("/")[2] in _LITTER_NAMES


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo, maximum: int) -> bytes:
    with opened.open(info) as reader:
        data = reader.read(maximum + 1)
    if len(data) > maximum:
        raise CodedError("input:archive_refused", f"{info.filename[:100]!r} is larger than {maximum} bytes")
    return data


def _copy(reader: IO[bytes], writer: IO[bytes], *, size: int, name: str) -> None:
    """Whatever the archive's directory said of the size, no more than that is written."""
    left = size
    while piece := reader.read(min(_CHUNK, left + 1)):
        left -= len(piece)
        if left < 0:
            raise CodedError("input:archive_refused", f"{name} unpacks to more than {size} bytes")
        writer.write(piece)
    if left:
        raise CodedError("input:not_an_archive", f"{name} ends early")


class _Bounded:
    """The archive, whose single reads are bounded: a directory that claims gigabytes is refused instead of read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _READ_MAXIMUM:
            data = self._file.read(_READ_MAXIMUM + 1)
            if len(data) > _READ_MAXIMUM:
                raise zipfile.BadZipFile("its directory is larger than any package's")
            return data
        return self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """The file is its owner's to close."""
