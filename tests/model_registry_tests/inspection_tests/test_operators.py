"""The table of operators is the installed engine's."""

from __future__ import annotations

import json
from pathlib import Path

from model_registry.inspection import operators
from model_registry.inspection.operators import operator_table
from tests.model_registry_tests.inspection_tests.engine_table import engine_table


def test_the_written_table_is_the_installed_engines() -> None:
    written = json.loads(Path(operators.__file__).with_name("operators.json").read_bytes())
    assert written == engine_table(), "the engine changed: see engine_table.py for how to write the table anew"


def test_the_table_knows_what_classifiers_are_made_of() -> None:
    assert {"Conv", "Gemm", "Relu", "Softmax", "Constant", "HardSwish"} <= operator_table()["operators"][""]
    assert "ATen" not in operator_table()["operators"][""]
    assert "GroupNorm" not in operator_table()["operators"]["com.microsoft"]  # CUDA alone has it
