"""Reading and writing ONNX files of strangers: external data stays in the model's folder, and a corrupt file is a coded error.

Everything is checked before a byte of external data is read. For the explain command; packages have their own reader
(model_registry.packaging), which knows digests and signatures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, external_data_helper

from model_registry.explain.errors import ExternalDataRefused, UnreadableModel

PROTOBUF_BYTES_MAXIMUM = 2**31 - 1
KEPT_INSIDE_BYTES = 1024  # smaller tensors stay in the model's file, as shape inference reads sizes from them


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A checked model with all its data in memory. `data_files` are the files beside it that its tensors came from."""

    model: onnx.ModelProto
    data_files: tuple[Path, ...]


def model_load(path: Path) -> LoadedModel:
    """Read a model and the data beside it. Raises UnreadableModel, and ExternalDataRefused before reading outside its folder."""
    try:
        size = path.stat().st_size
        if not path.is_file() or size == 0:
            raise UnreadableModel(f"{path} is not a file with content")
        if size > PROTOBUF_BYTES_MAXIMUM:
            raise UnreadableModel(f"{path} has {size} bytes; a model above 2 GB must keep its weights in external data")
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except OSError as error:
        raise UnreadableModel(f"{path} cannot be read: {error.strerror or error}") from error
    except (DecodeError, ValueError) as error:
        raise UnreadableModel(f"{path} is not an ONNX file, or a damaged one: {error}") from error
    if not model.graph.node or not model.opset_import:
        raise UnreadableModel(f"{path} is not an ONNX file, or a damaged one: it holds no graph")
    folder = path.resolve().parent
    sources: dict[Path, None] = {}
    for tensor in _tensors(model.graph, model.functions):
        if tensor.data_location == TensorProto.EXTERNAL:
            sources[_external_file(tensor, folder)] = None
            try:
                external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            except (onnx.checker.ValidationError, OSError, ValueError, RuntimeError) as error:
                raise ExternalDataRefused(f"the data of tensor {tensor.name!r} cannot be read: {error}") from error
    try:
        if model.ByteSize() <= PROTOBUF_BYTES_MAXIMUM:
            onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UnreadableModel(f"{path} is not a valid ONNX model: {error}") from error
    return LoadedModel(model, tuple(sources))


def model_save(model: onnx.ModelProto, path: Path, *, external: bool) -> tuple[Path, ...]:
    """Write the model, with `external` its large tensors beside it as NAME.data, and return the files written.

    Both are written under other names first, so that a full disk leaves no half of a model. Raises UnreadableModel.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".explain-") as scratch:
            written = Path(scratch) / path.name
            if external or model.ByteSize() > PROTOBUF_BYTES_MAXIMUM:
                onnx.save_model(
                    model,
                    written,
                    format="protobuf",
                    save_as_external_data=True,
                    location=data_file_of(path).name,
                    size_threshold=KEPT_INSIDE_BYTES,
                )
            else:
                onnx.save_model(model, written, format="protobuf")
            names = sorted(os.listdir(scratch), reverse=True)  # the data before the model that points to it
            for name in names:
                os.replace(Path(scratch) / name, path.parent / name)
    except OSError as error:
        raise UnreadableModel(f"{path} cannot be written: {error.strerror or error}") from error
    return tuple(path.parent / name for name in reversed(names))


def data_file_of(path: Path) -> Path:
    """Where `model_save` puts the external data of a model."""
    return path.with_name(path.name + ".data")


def _external_file(tensor: TensorProto, folder: Path) -> Path:
    """The file a tensor's data lies in. Raises ExternalDataRefused unless it is a file inside the folder that holds all of it."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    refused = f"tensor {tensor.name!r} keeps its data in {location!r}"
    parts = PurePosixPath(location.replace("\\", "/")).parts
    if not location or "\0" in location or PureWindowsPath(location).anchor or PurePosixPath(location).is_absolute():
        raise ExternalDataRefused(f"{refused}; only a relative path inside the model's folder is read")
    if ".." in parts:
        raise ExternalDataRefused(f"{refused}, which leads out of the model's folder")
    path = folder / location
    resolved = path.resolve()
    if not resolved.is_relative_to(folder):
        raise ExternalDataRefused(f"{refused}, a link out of the model's folder")
    if not resolved.is_file():
        raise ExternalDataRefused(f"{refused}, which is not there; keep the file beside the model")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
    except ValueError as error:
        raise ExternalDataRefused(f"{refused} at a place that is not a number") from error
    if min(offset, length) < 0 or offset + length > resolved.stat().st_size:
        raise ExternalDataRefused(f"{refused}, beyond the end of that file")
    return path


def _tensors(graph: onnx.GraphProto, functions: object = ()) -> Iterator[TensorProto]:
    """Every tensor of a model: weights, constants, and those of subgraphs and functions."""
    graphs = [graph]
    nodes = [node for function in functions for node in function.node] if functions else []  # type: ignore[attr-defined]
    while graphs or nodes:
        if graphs:
            current = graphs.pop()
            yield from current.initializer
            for sparse in current.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(current.node)
        while nodes:
            for entry in nodes.pop().attribute:
                if entry.HasField("t"):
                    yield entry.t
                yield from entry.tensors
                if entry.HasField("sparse_tensor"):
                    yield from (entry.sparse_tensor.values, entry.sparse_tensor.indices)
                for sparse in entry.sparse_tensors:
                    yield from (sparse.values, sparse.indices)
                graphs.extend(entry.graphs)
                if entry.HasField("g"):
                    graphs.append(entry.g)
