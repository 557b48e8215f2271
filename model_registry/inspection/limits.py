"""How much of a model is looked at. Above these sizes a file is refused; every mammography classifier is far below them."""

from __future__ import annotations

from dataclasses import dataclass

from model_registry.packaging.package import MODEL_BYTES_MAXIMUM


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """Sizes in bytes, times in seconds. `expanded_nodes` counts nodes with every model-local function written out."""

    model_bytes: int = MODEL_BYTES_MAXIMUM
    tensor_bytes: int = 4 * 1024**3
    nodes: int = 100_000
    expanded_nodes: int = 1_000_000
    nesting: int = 16
    tensors: int = 100_000
    findings_of_a_code: int = 20
    seconds: int = 300
    memory_bytes: int = 12 * 1024**3
