"""Reading and writing ONNX files of strangers: external data stays in the model's folder, and a corrupt file is a coded error.

Everything is checked before a byte of external data is read. For the explain command; packages have their own reader
(model_registry.packaging), which knows digests and signatures.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, external_data_helper

from model_registry.explain.errors import ExternalDataRefused, UnreadableModel
from model_registry.inspection.external import ExternalDataProblem, external_data_find
from model_registry.inspection.walk import model_tensors

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
    for tensor in model_tensors(model):
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
    try:
        return external_data_find(tensor, folder).path
    except ExternalDataProblem as error:
        raise ExternalDataRefused(str(error)) from error
