"""What the installed ONNX Runtime can run on a CPU, as inspection/operators.json holds it.

After an upgrade of the engine:
    python tests/model_registry_tests/inspection_tests/engine_table.py > model_registry/inspection/operators.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as engine

DOMAINS = ("", "ai.onnx.ml", "com.microsoft")


def engine_table() -> dict[str, Any]:
    operators: dict[str, set[str]] = {domain: set() for domain in DOMAINS}
    for kernel in engine.get_all_opkernel_def():
        if kernel.provider == "CPUExecutionProvider" and kernel.domain in operators:
            operators[kernel.domain].add(kernel.op_name)
    operators[""].add("Constant")  # an initializer by the time kernels are chosen
    for schema in onnx.defs.get_all_schemas():
        is_function = schema.has_function or schema.has_context_dependent_function  # type: ignore[attr-defined]
        if schema.domain == "" and is_function:
            operators[""].add(schema.name)  # the engine writes it out
    known = {(schema.domain, schema.name) for schema in engine.get_all_operator_schema()}
    return {
        "engine": f"ONNX Runtime {onnxruntime.__version__}",
        "ir_version": newest(lambda version: loads(ir_version=version), start=4),
        "opsets": {name: newest(lambda version, name=name: loads(domain=name, opset=version), start=1) for name in DOMAINS},
        "operators": {domain: sorted(name for name in names if (domain, name) in known) for domain, names in operators.items()},
    }  # fmt: skip


def newest(works: Any, *, start: int) -> int:
    return max(version for version in range(start, 60) if works(version))


def loads(*, ir_version: int = 8, domain: str = "", opset: int = 17) -> bool:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", value[:1], value[1:])
    imports = {"": 17, domain: opset}
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*entry) for entry in imports.items()])
    model.ir_version = ir_version
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - the engine's errors share no base class; each means that it does not load this
        return False
    return True


if __name__ == "__main__":
    json.dump(engine_table(), sys.stdout, indent=1)
    sys.stdout.write("\n")
