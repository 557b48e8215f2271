"""The files of a collection: walked once, looked up by what its tables say.

Every path that a table names is looked up among the files that were found by walking, so that no text in a table can reach a
file outside the folder. Links are not followed. Not for reading what is in the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from model_registry.datasets.errors import DatasetError
from model_registry.datasets.records import Problem

MEDIA_TYPES = {
    ".dcm": "application/dicom",
    ".dicom": "application/dicom",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".pgm": "image/x-portable-graymap",
}
MAX_FILES = 2_000_000
_DRIVE = re.compile(r"^[A-Za-z]:")


class Tree:
    """The files under `root`, as relative paths with forward slashes, sorted. `problems` names the links that were left out."""

    def __init__(self, root: Path) -> None:
        try:
            self.root = root.resolve(strict=True)
        except OSError as error:
            raise DatasetError("dataset:folder_missing", f"there is no folder {root}") from error
        if not self.root.is_dir():
            raise DatasetError("dataset:folder_missing", f"{root} is not a folder")
        self.problems: list[Problem] = []
        self.files = tuple(sorted(self._walk()))

    def _walk(self) -> Iterable[str]:
        count = 0
        for folder, folders, names in os.walk(self.root, followlinks=False):
            base = os.path.relpath(folder, self.root).replace(os.sep, "/")
            prefix = "" if base == "." else f"{base}/"
            folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
            for name in [*folders, *names]:
                if os.path.islink(os.path.join(folder, name)):
                    self.problems.append(Problem("dataset:link_refused", "links are not followed", f"{prefix}{name}"))
            folders[:] = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
            for name in names:
                # a Macintosh's "._name" has the ending of an image and is none
                if name.startswith(".") or os.path.islink(os.path.join(folder, name)):
                    continue
                count += 1
                if count > MAX_FILES:
                    raise DatasetError("dataset:too_many_files", f"more than {MAX_FILES:,} files; name a smaller folder")
                yield f"{prefix}{name}"

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files whose ending is that of an image."""
        return tuple(name for name in self.files if media_type_of(name))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for name in self.files:
            index.setdefault(name.rsplit("/", 1)[-1].lower(), []).append(name)
        return index

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for name in self.files:
            for part in set(name.lower().split("/")[:-1]):
                index.setdefault(part, []).append(name)
        return index

    def path(self, name: str) -> Path:
        return self.root / name

    def named(self, name: str) -> tuple[str, ...]:
        """Files of this name in any folder, whatever the case of the letters."""
        return tuple(self._by_name.get(name.lower(), ()))

    def inside(self, folder: str) -> tuple[str, ...]:
        """Files with this folder's name anywhere above them, whatever the case of the letters."""
        return tuple(self._by_folder.get(folder.lower(), ()))

    def find(self, text: str, *, beside: str = "") -> str | None:
        """The one file a table means by `text`, or None.

        Tables write paths of the machine they were made on: either side may have folders in front that the other lacks, with
        slashes either way. Among several candidates the one nearest to `beside` (a relative folder) is taken, then the first.
        """
        parts = path_parts(text)
        if parts is None:
            return None
        candidates = self._by_name.get(parts[-1].lower(), ())
        wanted = [part.lower() for part in parts]
        best: tuple[int, int, str] | None = None
        for name in candidates:
            have = name.lower().split("/")
            shared = 0
            while shared < min(len(have), len(wanted)) and have[-1 - shared] == wanted[-1 - shared]:
                shared += 1
            # one side must end within the other, or it is another file of the same name
            if shared < min(len(have), len(wanted)) and not (shared >= 2 and len(wanted) > shared):
                continue
            near = int(bool(beside) and name.startswith(f"{beside}/"))
            if best is None or (shared, near) > best[:2]:
                best = (shared, near, name)
        return best[2] if best else None

    def take(self, text: str, problems: list[Problem], *, beside: str = "") -> str | None:
        """`find`, with the reason noted where nothing is found: a path that leads out of the folder, or a missing file."""
        if (found := self.find(text, beside=beside)) is not None:
            return found
        if path_parts(text) is None:
            problems.append(Problem("dataset:path_refused", "a table names a path that leads out of the folder", text[:200]))
        else:
            problems.append(Problem("dataset:file_missing", "a table names a file that is not there", text[:200]))
        return None


def path_parts(text: str) -> list[str] | None:
    """The parts of a relative path, slashes either way; None for an absolute one, a drive, "..", or control characters."""
    text = text.strip().strip('"').replace("\\", "/")
    if not text or text.startswith("/") or _DRIVE.match(text) or any(ord(letter) < 32 for letter in text):
        return None
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else parts


def media_type_of(name: str) -> str | None:
    """By the ending of the name; None where it is not that of an image."""
    return MEDIA_TYPES.get(os.path.splitext(name)[1].lower())
