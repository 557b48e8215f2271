"""The numbers inside a model: as many as declared, all of them there, none of them NaN.

Data inside the file is read where it lies; data beside it through a memory map, in pieces, so that no more memory is taken than
a piece needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from model_registry.inspection.external import ExternalData, ExternalDataProblem, external_data_find, has_link
from model_registry.inspection.findings import CORRUPT, EXTERNAL_DATA, NOT_FINITE, TOO_LARGE, Finding, Severity
from model_registry.inspection.limits import InspectionLimits
from model_registry.inspection.walk import model_nodes, model_tensors, sparse_tensors

PIECE_ELEMENTS = 4 * 1024 * 1024

_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.INT2, TensorProto.UINT2), 2),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 4),
    **dict.fromkeys((TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2), 6),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL, TensorProto.FLOAT8E8M0), 8),
    **dict.fromkeys((TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ), 8),
    **dict.fromkeys((TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ), 8),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16, TensorProto.FLOAT16, TensorProto.BFLOAT16), 16),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32, TensorProto.FLOAT), 32),
    **dict.fromkeys((TensorProto.INT64, TensorProto.UINT64, TensorProto.DOUBLE, TensorProto.COMPLEX64), 64),
    TensorProto.COMPLEX128: 128,
}
#: As the bits are laid out: word, all-ones exponent, mantissa.
_IEEE: dict[int, tuple[str, int, int]] = {
    TensorProto.FLOAT: ("<u4", 0x7F80_0000, 0x007F_FFFF),
    TensorProto.COMPLEX64: ("<u4", 0x7F80_0000, 0x007F_FFFF),
    TensorProto.DOUBLE: ("<u8", 0x7FF0_0000_0000_0000, 0x000F_FFFF_FFFF_FFFF),
    TensorProto.COMPLEX128: ("<u8", 0x7FF0_0000_0000_0000, 0x000F_FFFF_FFFF_FFFF),
    TensorProto.FLOAT16: ("<u2", 0x7C00, 0x03FF),
    TensorProto.BFLOAT16: ("<u2", 0x7F80, 0x007F),
    TensorProto.FLOAT8E5M2: ("u1", 0x7C, 0x03),
}
#: Formats without infinity: mask and the one pattern under it that means NaN.
_NAN_PATTERN: dict[int, tuple[int, int]] = {
    TensorProto.FLOAT8E4M3FN: (0x7F, 0x7F),
    TensorProto.FLOAT8E4M3FNUZ: (0xFF, 0x80),
    TensorProto.FLOAT8E5M2FNUZ: (0xFF, 0x80),
    TensorProto.FLOAT8E8M0: (0xFF, 0xFF),
}
_TYPED_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def tensors_check(
    model: onnx.ModelProto, *, folder: Path, limits: InspectionLimits, listed: frozenset[str] | None
) -> Iterator[Finding]:
    """Check every tensor. `listed` holds the package's files; None when the model stands alone."""
    for tensor in model_tensors(model):
        yield from _tensor_check(tensor, folder=folder, limits=limits, listed=listed)
    for sparse in sparse_tensors(model):
        needed = _bytes_declared(sparse.values, sparse.dims)
        if needed is None or needed > limits.tensor_bytes:
            yield Finding(TOO_LARGE, _too_large(sparse.dims, limits), tensor=sparse.values.name)
    for node in model_nodes(model):
        for entry in node.attribute:
            if any(math.isnan(value) for value in (entry.f, *entry.floats)):
                yield Finding(NOT_FINITE, f"attribute {entry.name} is not a number", node=node.name or node.op_type)


def _tensor_check(
    tensor: TensorProto, *, folder: Path, limits: InspectionLimits, listed: frozenset[str] | None
) -> Iterator[Finding]:
    name = tensor.name
    if tensor.data_type == TensorProto.STRING:
        if math.prod(tensor.dims) != len(tensor.string_data):
            yield Finding(CORRUPT, f"declares {list(tensor.dims)} strings and holds {len(tensor.string_data)}", tensor=name)
        return
    if tensor.data_type not in _BITS or min(tensor.dims, default=0) < 0:
        yield Finding(CORRUPT, f"has element type {tensor.data_type} and sizes {list(tensor.dims)[:8]}", tensor=name)
        return
    needed = _bytes_declared(tensor, tensor.dims)
    if needed is None or needed > limits.tensor_bytes:
        yield Finding(TOO_LARGE, _too_large(tensor.dims, limits), tensor=name)
        return
    if tensor.data_location == TensorProto.EXTERNAL:
        try:
            found = external_data_find(tensor, folder)
        except ExternalDataProblem as error:
            yield Finding(EXTERNAL_DATA, str(error), tensor=name)
            return
        if problem := _external_problem(found, needed=needed, folder=folder, listed=listed):
            yield Finding(EXTERNAL_DATA, problem, tensor=name)
            return
        yield from _finite_check(tensor, _mapped_pieces(tensor, found, needed))
        return
    stored = _bytes_stored(tensor)
    if stored is not None and stored != needed:
        yield Finding(CORRUPT, f"declares {needed} bytes of data and holds {stored}", tensor=name)
        return
    yield from _finite_check(tensor, _held_pieces(tensor))


def _external_problem(found: ExternalData, *, needed: int, folder: Path, listed: frozenset[str] | None) -> str:
    if has_link(found.path, folder=folder):
        return f"the data file {found.relative} is reached through a link"
    if listed is not None and found.relative not in listed:
        return f"the data file {found.relative} is not one that the manifest lists"
    if found.length is not None and found.length != needed:
        return f"declares {needed} bytes of data and {found.length} in {found.relative}"
    if found.offset + needed > found.file_bytes:
        return f"needs {needed} bytes from {found.offset} on; {found.relative} has {found.file_bytes} bytes"
    return ""


def _bytes_declared(tensor: TensorProto, dims: object) -> int | None:
    """Bytes that the sizes mean; None when they mean nothing."""
    sizes = list(dims)  # type: ignore[call-overload]
    if min(sizes, default=0) < 0:
        return None
    return -(-math.prod(sizes) * _BITS.get(tensor.data_type, 8) // 8)


def _bytes_stored(tensor: TensorProto) -> int | None:
    """Bytes that the elements held in the file take in memory; None for packed kinds whose typed fields hold several in one."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    if _BITS[tensor.data_type] < 8:
        return None
    count = sum(len(getattr(tensor, field)) for field in _TYPED_FIELDS)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        count //= 2
    return count * _BITS[tensor.data_type] // 8


def _held_pieces(tensor: TensorProto) -> Iterator[np.ndarray]:
    """The elements as unsigned words of their own width."""
    word = _word(tensor.data_type)
    if word is None:
        return
    if tensor.HasField("raw_data"):
        words = np.frombuffer(tensor.raw_data, word)
    elif tensor.data_type in (TensorProto.FLOAT, TensorProto.COMPLEX64):
        words = np.asarray(tensor.float_data, "<f4").view(word)
    elif tensor.data_type in (TensorProto.DOUBLE, TensorProto.COMPLEX128):
        words = np.asarray(tensor.double_data, "<f8").view(word)
    else:
        words = np.asarray(tensor.int32_data, np.int64).astype(word)  # narrow floats stand there as their bits
    for start in range(0, len(words), PIECE_ELEMENTS):
        yield words[start : start + PIECE_ELEMENTS]


def _mapped_pieces(tensor: TensorProto, found: ExternalData, needed: int) -> Iterator[np.ndarray]:
    word = _word(tensor.data_type)
    if word is None or needed == 0:
        return
    count = needed // np.dtype(word).itemsize
    words = np.memmap(found.path, dtype=word, mode="r", offset=found.offset, shape=(count,))
    for start in range(0, count, PIECE_ELEMENTS):
        yield words[start : start + PIECE_ELEMENTS]


def _word(data_type: int) -> str | None:
    if data_type in _IEEE:
        return _IEEE[data_type][0]
    return "u1" if data_type in _NAN_PATTERN else None


def _finite_check(tensor: TensorProto, pieces: Iterator[np.ndarray]) -> Iterator[Finding]:
    nans = infinities = 0
    for words in pieces:
        if tensor.data_type in _IEEE:
            _, exponent, mantissa = _IEEE[tensor.data_type]
            special = words[(words & words.dtype.type(exponent)) == exponent]
            nan = int(np.count_nonzero(special & special.dtype.type(mantissa)))
            nans, infinities = nans + nan, infinities + len(special) - nan
        else:
            mask, pattern = _NAN_PATTERN[tensor.data_type]
            nans += int(np.count_nonzero((words & np.uint8(mask)) == pattern))
    if nans or infinities:
        # a single infinity is how exporters write "no bound" (Clip, masked attention); in weights it is divergence
        bound = not nans and math.prod(tensor.dims) == 1
        severity = Severity.WARNING if bound else Severity.ERROR
        yield Finding(NOT_FINITE, f"holds {nans} NaN and {infinities} infinite values", severity, tensor=tensor.name)


def _too_large(dims: object, limits: InspectionLimits) -> str:
    return f"declares sizes {list(dims)[:8]}, beyond the {limits.tensor_bytes} bytes that are accepted for one tensor"  # type: ignore[call-overload]
