"""Model packages as folders: read, verify and write them.

A package is `manifest.json` plus the files the manifest lists. The digest of the manifest's bytes pins all of them.
This module moves bytes and compares digests; it does not load ONNX, run a model or reach an object store. It imports only
pydantic and the standard library, because the platform imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from model_registry.packaging.manifest import MANIFEST_NAME, FileEntry, GoldenCase, Manifest, manifest_digest, manifest_read

MANIFEST_BYTES_MAXIMUM = 4 * 1024 * 1024
PACKAGE_BYTES_MAXIMUM = 4 * 1024**3
DETAIL_LENGTH_MAXIMUM = 2000

CODE_INVALID = "model:invalid_package"
CODE_DIGEST = "model:digest_mismatch"
CODE_MISSING = "model:package_missing"


class PackageError(Exception):
    """A package that cannot be used. `code` is a failure code of the contract; `detail` is for engineers."""

    code = CODE_INVALID

    def __init__(self, detail: str) -> None:
        self.detail = detail[:DETAIL_LENGTH_MAXIMUM]
        super().__init__(f"{self.code}: {self.detail}")


class InvalidPackage(PackageError):
    """The folder or its manifest is not a package: malformed, incomplete, or holding what a package may not hold."""


class DigestMismatch(PackageError):
    """A file, or the manifest, is not the one its digest promises."""

    code = CODE_DIGEST


class PackageMissing(PackageError):
    """There is no package at this place."""

    code = CODE_MISSING


@dataclass(frozen=True, slots=True)
class Package:
    """A package folder whose manifest was read. `digest` is the sha256 of manifest.json as it stands on disk.

    Holding one does not mean that the other files are intact: that is what `package_verify` establishes.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def model_path(self) -> Path:
        return self.folder / self.manifest.model

    @property
    def card_path(self) -> Path:
        return self.folder / self.manifest.card

    def golden_paths(self, case: GoldenCase) -> tuple[Path, Path]:
        """The input file and the .npz of expected outputs of one golden case."""
        return self.folder / case.image, self.folder / case.expected

    @property
    def size_bytes(self) -> int:
        """Sum of the listed files as the manifest declares them, without the manifest itself."""
        return sum(entry.size_bytes for entry in self.manifest.files)


def package_read(folder: Path | str, *, expected_digest: str | None = None) -> Package:
    """Read the manifest of the package in `folder` and check that every listed file is there with its size.

    Quick: file contents are not hashed. Raises PackageMissing, InvalidPackage, or DigestMismatch when `expected_digest` is given
    and differs from the manifest's.
    """
    folder = Path(folder)
    manifest_bytes = _manifest_bytes_read(folder)
    digest = manifest_digest(manifest_bytes)
    if expected_digest is not None and digest != expected_digest:
        raise DigestMismatch(f"{MANIFEST_NAME} has digest {digest}, expected {expected_digest}")
    try:
        manifest = manifest_read(manifest_bytes)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors()[:20])
        raise InvalidPackage(f"{MANIFEST_NAME} is not valid: {problems}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPackage(f"{MANIFEST_NAME} is not valid: {error}") from error
    if sum(entry.size_bytes for entry in manifest.files) > PACKAGE_BYTES_MAXIMUM:
        raise InvalidPackage(f"the listed files exceed {PACKAGE_BYTES_MAXIMUM} bytes")
    for entry in manifest.files:
        _file_status(folder, entry)
    return Package(folder=folder, manifest=manifest, digest=digest)


def package_verify(folder: Path | str, *, expected_digest: str | None = None) -> Package:
    """Read the package and prove it whole: every listed file has its size and digest, and nothing else lies in the folder.

    Links, devices and unlisted files are refused, so that what was verified is all there is to load. Raises as `package_read`.
    """
    package = package_read(folder, expected_digest=expected_digest)
    listed = {entry.path for entry in package.manifest.files}
    for found in _folder_files(package.folder):
        if found != MANIFEST_NAME and found not in listed:
            raise InvalidPackage(f"the folder holds a file that the manifest does not list: {found!r}")
    for entry in package.manifest.files:
        with _open_regular(package.folder / entry.path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            digest = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != entry.sha256:
            raise DigestMismatch(f"{entry.path} has digest {digest}, the manifest says {entry.sha256}")
    return package


def file_entries(contents: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    """The manifest's `files` for these contents, sorted by path."""
    return tuple(
        FileEntry(path=path, sha256="sha256:" + hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        for path, data in sorted(contents.items())
    )


def package_write(*, folder: Path | str, manifest: Mapping[str, object], contents: Mapping[str, bytes]) -> Package:
    """Write a package and verify it. `manifest` is everything but `files`, which is computed from `contents` (path → bytes).

    The folder appears whole or not at all: it is written beside its place and renamed. An existing folder is refused with
    FileExistsError, because a package never changes once it has a digest. Raises InvalidPackage for a manifest that is wrong.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; a package is never changed in place")
    try:
        complete = Manifest.model_validate({**manifest, "files": file_entries(contents)})
    except ValidationError as error:
        raise InvalidPackage(str(error)) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for path, data in contents.items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (temporary / MANIFEST_NAME).write_bytes(complete.to_json_bytes())
        package_verify(temporary)
        temporary.chmod(0o755)  # mkdtemp makes it private; a package is meant to be read by the serving user
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return package_read(folder)


def _manifest_bytes_read(folder: Path) -> bytes:
    if not folder.is_dir():
        raise PackageMissing(f"no folder {folder.name!r}")
    try:
        with _open_regular(folder / MANIFEST_NAME) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            data = stream.read(MANIFEST_BYTES_MAXIMUM + 1)
    except FileNotFoundError as error:
        raise PackageMissing(f"{folder.name!r} holds no {MANIFEST_NAME}") from error
    if len(data) > MANIFEST_BYTES_MAXIMUM:
        raise InvalidPackage(f"{MANIFEST_NAME} is larger than {MANIFEST_BYTES_MAXIMUM} bytes")
    return data


@contextlib.contextmanager
def _open_regular(path: Path) -> Iterator[int]:
    """Open a regular file without following a link at its end; a link or device is an InvalidPackage."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidPackage(f"{path.name} cannot be opened as a regular file: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidPackage(f"{path.name} is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _file_status(folder: Path, entry: FileEntry) -> None:
    """Check that one listed file is a regular file of its size, reached through no link."""
    parent = folder
    for part in Path(entry.path).parts[:-1]:
        parent = parent / part
        if parent.is_symlink():
            raise InvalidPackage(f"{entry.path} is reached through a link")
    try:
        status = (folder / entry.path).lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidPackage(f"the manifest lists {entry.path}, which is not there") from error
    if not stat.S_ISREG(status.st_mode):
        raise InvalidPackage(f"{entry.path} is not a regular file")
    if status.st_size != entry.size_bytes:
        raise DigestMismatch(f"{entry.path} has {status.st_size} bytes, the manifest says {entry.size_bytes}")


def _folder_files(folder: Path) -> Iterator[str]:
    """Relative POSIX paths of all files below `folder`. A link or anything that is neither file nor folder is refused."""
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for item in entries:
                relative = Path(item.path).relative_to(folder).as_posix()
                if item.is_symlink():
                    raise InvalidPackage(f"the folder holds a link: {relative!r}")
                if item.is_dir(follow_symlinks=False):
                    pending.append(Path(item.path))
                elif item.is_file(follow_symlinks=False):
                    yield relative
                else:
                    raise InvalidPackage(f"the folder holds something that is not a file: {relative!r}")
