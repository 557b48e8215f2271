"""Which file of a CBIS-DDSM download a row of its tables means, and which of two is the mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_registry.datasets.header import header_read
from model_registry.datasets.tables import table_read
from model_registry.datasets.tree import Tree, media_type_of, path_parts


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file by its relative name. `image_hw` is (rows, columns) where a table tells it."""

    name: str
    image_hw: tuple[int, int] | None = None


class Sources:
    """Files by series UID and by subject, from folder names, metadata.csv (the archive's) and dicom_info.csv (the mirror's)."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._by_key: dict[str, list[SourceFile]] = {}
        self.is_jpeg = bool(tree.named("dicom_info.csv"))
        if self.is_jpeg:
            self._read_dicom_info()
        elif tree.named("metadata.csv"):
            self._read_metadata()

    def _read_dicom_info(self) -> None:
        names = {"/".join(name.lower().split("/")[-2:]): name for name in self._tree.images}
        table = self._tree.path(self._tree.named("dicom_info.csv")[0])
        for row in table_read(table, columns=("image_path", "PatientID", "SeriesInstanceUID")):
            parts = path_parts(row["image_path"])
            name = names.get("/".join(part.lower() for part in parts[-2:])) if parts else None
            if name:
                numbers = (row["Rows"], row["Columns"])
                size = (int(numbers[0]), int(numbers[1])) if all(map(str.isdecimal, numbers)) else None
                for key in {row["SeriesInstanceUID"], row["PatientID"]}:
                    self._by_key.setdefault(key.lower(), []).append(SourceFile(name, size))

    def _read_metadata(self) -> None:
        by_folder: dict[str, list[str]] = {}
        for name in self._tree.images:
            by_folder.setdefault("/".join(name.lower().split("/")[:-1][-3:]), []).append(name)
        table = self._tree.path(self._tree.named("metadata.csv")[0])
        for row in table_read(table, columns=("Series UID", "File Location")):
            if parts := path_parts(row["File Location"]):
                folder = "/".join(part.lower() for part in parts[-3:])
                found = [SourceFile(name) for name in by_folder.get(folder, ())]
                self._by_key.setdefault(row["Series UID"].lower(), []).extend(found)

    def _of(self, key: str) -> list[SourceFile]:
        found = self._by_key.get(key.lower())
        return found or [SourceFile(name) for name in self._tree.inside(key) if media_type_of(name)]

    def _series(self, text: str) -> list[SourceFile]:
        """By series UID, else by subject folder. A path is "<subject>/<study UID>/<series UID>/<file>"."""
        parts = path_parts(text.strip())
        if parts is None or len(parts) < 3:
            return []
        return self._of(parts[-2]) or self._of(parts[0])

    def full(self, text: str) -> SourceFile | None:
        """The largest file of the series: a full image's series holds one, a wrong series UID may hold a cut-out beside it."""
        found = self._series(text)
        return max(found, key=lambda file: file_weight(file, self._tree), default=None)

    def regions(self, *texts: str, full: SourceFile) -> list[SourceFile]:
        """Every file that either of the two columns leads to: what they call mask and cut-out is swapped in part of the rows."""
        found: dict[str, SourceFile] = {}
        for text in texts:
            found.update((file.name, file) for file in self._series(text))
        found.pop(full.name, None)
        return list(found.values())


def mask_choose(candidates: Sequence[SourceFile], *, full: SourceFile, tree: Tree) -> SourceFile | None:
    """The candidate of the full image's size; a cut-out is smaller. Of several misfits the largest; a lone one is none."""
    # an 8-bit mask has half the bytes of its 16-bit image: no header needs to be read
    whole = tree.path(full.name).stat().st_size
    if full.image_hw is None and full.name.lower().endswith(".dcm"):
        light = [file for file in candidates if abs(2 * tree.path(file.name).stat().st_size - whole) < 0.01 * whole]
        if len(light) == 1:
            return light[0]
    image_hw = _header_size(full, tree)
    fitting = [file for file in candidates if image_hw is not None and _header_size(file, tree) == image_hw]
    if fitting:
        return fitting[0]
    return max(candidates, key=lambda file: file_weight(file, tree)) if len(candidates) > 1 else None


def _header_size(file: SourceFile, tree: Tree) -> tuple[int, int] | None:
    if file.image_hw is not None:
        return file.image_hw
    header = header_read(tree.path(file.name))
    return header.image_hw if header else None


def file_weight(file: SourceFile, tree: Tree) -> int:
    """Pixels where a table tells them, else bytes: what tells the larger of two apart."""
    return file.image_hw[0] * file.image_hw[1] if file.image_hw else tree.path(file.name).stat().st_size
