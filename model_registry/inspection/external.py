"""Where a tensor's external data lies, judged before a byte of it is read: inside the model's folder, and all there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import TensorProto


class ExternalDataProblem(ValueError):
    """The data is not where a model may keep it, or not all there."""


@dataclass(frozen=True, slots=True)
class ExternalData:
    """`relative` is the POSIX path below the model's folder. `length` is None where the model leaves it to the tensor's shape."""

    path: Path
    relative: str
    offset: int
    length: int | None
    file_bytes: int


def external_data_find(tensor: TensorProto, folder: Path) -> ExternalData:
    """`folder` is the model's, resolved. A link is followed only within it.

    Raises ExternalDataProblem for a path that is absolute or leads out of the folder, for a missing file, and for an offset or
    length beyond the file's end.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    refused = f"tensor {tensor.name!r} keeps its data in {location[:200]!r}"
    parts = PurePosixPath(location.replace("\\", "/")).parts
    if not location or "\0" in location or PureWindowsPath(location).anchor or PurePosixPath(location).is_absolute():
        raise ExternalDataProblem(f"{refused}; only a relative path inside the model's folder is read")
    if ".." in parts:
        raise ExternalDataProblem(f"{refused}, which leads out of the model's folder")
    path = folder / location
    try:
        resolved = path.resolve()
        if not resolved.is_relative_to(folder):
            raise ExternalDataProblem(f"{refused}, a link out of the model's folder")
        if not resolved.is_file():
            raise ExternalDataProblem(f"{refused}, which is not there; keep the file beside the model")
        file_bytes = resolved.stat().st_size
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise ExternalDataProblem(f"{refused}, which cannot be reached: {error}") from error
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries["length"]) if "length" in entries else None
    except ValueError as error:
        raise ExternalDataProblem(f"{refused} at a place that is not a number") from error
    if min(offset, length or 0) < 0 or offset + (length or 0) > file_bytes:
        raise ExternalDataProblem(f"{refused}, beyond the end of that file")
    return ExternalData(path, PurePosixPath(location).as_posix(), offset, length, file_bytes)


def has_link(path: Path, *, folder: Path) -> bool:
    """Whether any step from `folder` down to `path` is a link."""
    return any(step.is_symlink() for step in (path, *path.parents) if step != folder and step.is_relative_to(folder))
