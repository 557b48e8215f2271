"""What lies in a folder, grouped into studies: DICOM files by their Study Instance UID, pictures by the folder they lie in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mammoserve_client.dicom import is_dicom, study_instance_uid

PICTURES = frozenset({".png", ".jpg", ".jpeg"})
DICOM_NAMES = frozenset({".dcm", ".dicom", ".ima"})
JUNK = frozenset({"dicomdir", "thumbs.db", "desktop.ini", ".ds_store"})


@dataclass(frozen=True, slots=True)
class FolderStudy:
    """One study of a folder. `custom_id` is made of random salt and the UID or folder, so that it identifies nobody."""

    custom_id: str
    source: str  # for people: the folder its first file lies in, relative
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class FolderContents:
    """Studies in the order of their first files, and files that are neither DICOM nor picture."""

    studies: tuple[FolderStudy, ...]
    ignored: tuple[Path, ...]


def folder_scan(root: Path, *, salt: str, on_file: Callable[[int], None] | None = None) -> FolderContents:
    """Links are not followed, hidden files and DICOMDIR are passed over. Raises OSError where a file cannot be read."""
    groups: dict[str, list[Path]] = {}
    ignored: list[Path] = []
    for count, path in enumerate(_files(root), start=1):
        if on_file:
            on_file(count)
        group = _group_of(root, path)
        if group is None:
            ignored.append(path)
        else:
            groups.setdefault(group, []).append(path)
    studies = tuple(
        FolderStudy(
            custom_id="study-" + hashlib.sha256(f"{salt}\0{group}".encode()).hexdigest()[:20],
            source=files[0].parent.relative_to(root).as_posix(),
            files=tuple(files),
        )
        for group, files in groups.items()
    )
    return FolderContents(studies, tuple(ignored))


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_symlink() or path.name.startswith(".") or path.name.lower() in JUNK:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def _group_of(root: Path, path: Path) -> str | None:
    folder = path.parent.relative_to(root).as_posix()
    if is_dicom(path):
        uid = study_instance_uid(path)
        if uid:
            return f"uid {uid}"
        # A damaged file is an item of its own, so that it takes no other file with it and comes back with its reason.
        return f"encoded {folder}" if uid == "" else f"file {path.relative_to(root).as_posix()}"
    if path.suffix.lower() in PICTURES:
        return f"folder {folder}"
    return f"file {path.relative_to(root).as_posix()}" if path.suffix.lower() in DICOM_NAMES else None
