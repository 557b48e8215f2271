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
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from model_registry.packaging.manifest import MANIFEST_NAME, FileEntry, GoldenCase, Manifest, manifest_digest, manifest_read
from model_registry.packaging.strict_json import not_finite_paths, strict_json_read

#: The one file that may lie in a package unlisted: it signs the digest of the manifest, which therefore cannot list it.
SIGNATURE_NAME = "signature.json"

MANIFEST_BYTES_MAXIMUM = 4 * 1024 * 1024
PACKAGE_BYTES_MAXIMUM = 4 * 1024**3
#: A protobuf message ends at 2 GiB; larger weights belong into external data.
MODEL_BYTES_MAXIMUM = 2 * 1024**3
FILES_MAXIMUM = 4096
DETAIL_LENGTH_MAXIMUM = 2000

CODE_INVALID = "model:invalid_package"
CODE_DIGEST = "model:digest_mismatch"
CODE_MISSING = "model:package_missing"
CODE_TOO_LARGE = "model:too_large"


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


class PackageTooLarge(PackageError):
    """The model, or the package, is larger than is accepted. Known from sizes alone: nothing of it was read."""

    code = CODE_TOO_LARGE


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


def package_read(
    folder: Path | str, *, expected_digest: str | None = None, model_bytes_maximum: int = MODEL_BYTES_MAXIMUM
) -> Package:
    """Read the manifest of the package in `folder` and check that every listed file is there with its size.

    Quick: file contents are not hashed. Raises PackageMissing, InvalidPackage, PackageTooLarge, or DigestMismatch when
    `expected_digest` is given and differs from the manifest's.
    """
    folder = Path(folder)
    manifest_bytes = _manifest_bytes_read(folder)
    digest = manifest_digest(manifest_bytes)
    if expected_digest is not None and digest != expected_digest:
        raise DigestMismatch(f"{MANIFEST_NAME} has digest {digest}, expected {expected_digest}")
    manifest = manifest_check(manifest_bytes, model_bytes_maximum=model_bytes_maximum)
    for entry in manifest.files:
        _file_status(folder, entry)
    return Package(folder=folder, manifest=manifest, digest=digest)


def manifest_check(manifest_bytes: bytes, *, model_bytes_maximum: int = MODEL_BYTES_MAXIMUM) -> Manifest:
    """The manifest in these bytes, judged before any other file of the package is touched or fetched.

    Raises InvalidPackage for bytes that are no manifest or list what no package may hold, PackageTooLarge for the sizes it
    declares.
    """
    try:
        strict_json_read(manifest_bytes)
        manifest = manifest_read(manifest_bytes)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors()[:20])
        raise InvalidPackage(f"{MANIFEST_NAME} is not valid: {problems}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPackage(f"{MANIFEST_NAME} is not valid: {error}") from error
    if len(manifest.files) > FILES_MAXIMUM:
        raise InvalidPackage(f"{MANIFEST_NAME} lists {len(manifest.files)} files; {FILES_MAXIMUM} are accepted")
    if any(entry.path == SIGNATURE_NAME for entry in manifest.files):
        raise InvalidPackage(f"{MANIFEST_NAME} lists {SIGNATURE_NAME}, which signs the manifest and cannot be part of it")
    for entry in manifest.files:
        if entry.path == manifest.model and entry.size_bytes > model_bytes_maximum:
            raise PackageTooLarge(f"{entry.path} has {entry.size_bytes} bytes; {model_bytes_maximum} are accepted")
    if sum(entry.size_bytes for entry in manifest.files) > PACKAGE_BYTES_MAXIMUM:
        raise PackageTooLarge(f"the listed files exceed {PACKAGE_BYTES_MAXIMUM} bytes")
    return manifest


def package_verify(
    folder: Path | str, *, expected_digest: str | None = None, model_bytes_maximum: int = MODEL_BYTES_MAXIMUM
) -> Package:
    """Read the package and prove it whole: every listed file has its size and digest, and nothing else lies in the folder.

    Links, devices, unlisted files and unlisted folders are refused, so that what was verified is all there is to load; only
    signature.json may lie beside them (model_registry.packaging.signature judges it). Raises as `package_read`.
    """
    package = package_read(folder, expected_digest=expected_digest, model_bytes_maximum=model_bytes_maximum)
    listed = {entry.path for entry in package.manifest.files}
    folders = {parent.as_posix() for path in listed for parent in PurePosixPath(path).parents}
    for found in _folder_files(package.folder, folders=folders):
        if found not in (MANIFEST_NAME, SIGNATURE_NAME) and found not in listed:
            raise InvalidPackage(f"the folder holds a file that the manifest does not list: {found!r}")
    for entry in package.manifest.files:
        try:
            with _open_regular(package.folder / entry.path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
                digest = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InvalidPackage(f"{entry.path} cannot be read: {error.strerror}") from error
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
    if wrong := list(not_finite_paths(complete.model_dump())):
        # JSON has no such number: it would be written as null and the package could never be read again
        raise InvalidPackage(f"not a finite number: {', '.join(wrong[:20])}; leave out what could not be measured")
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
        return small_file_read(folder / MANIFEST_NAME, bytes_maximum=MANIFEST_BYTES_MAXIMUM)
    except FileNotFoundError as error:
        raise PackageMissing(f"{folder.name!r} holds no {MANIFEST_NAME}") from error


def small_file_read(path: Path, *, bytes_maximum: int) -> bytes:
    """A regular file of a package, not through a link. Raises FileNotFoundError, and InvalidPackage when it is anything else."""
    with _open_regular(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
        data = stream.read(bytes_maximum + 1)
    if len(data) > bytes_maximum:
        raise InvalidPackage(f"{path.name} is larger than {bytes_maximum} bytes")
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


def _folder_files(folder: Path, *, folders: Collection[str]) -> Iterator[str]:
    """Relative POSIX paths of all files below `folder`. What is neither a file nor one of `folders` is refused.

    Refusing other folders bounds the walk: a million empty ones would otherwise be visited one by one.
    """
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            entries = os.scandir(current)
        except OSError as error:
            raise InvalidPackage(f"folder {current.name!r} cannot be read: {error.strerror}") from error
        with entries:
            for item in entries:
                relative = Path(item.path).relative_to(folder).as_posix()
                if item.is_symlink():
                    raise InvalidPackage(f"the folder holds a link: {relative!r}")
                if item.is_dir(follow_symlinks=False):
                    if relative not in folders:
                        raise InvalidPackage(f"the folder holds a folder without a listed file: {relative!r}")
                    pending.append(Path(item.path))
                elif item.is_file(follow_symlinks=False):
                    yield relative
                else:
                    raise InvalidPackage(f"the folder holds something that is not a file: {relative!r}")
