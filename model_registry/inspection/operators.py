"""Which operators the engine has. The table is ONNX Runtime's own, written down so that no engine is needed to read it.

operators.json: the operators with a CPU kernel (or that ONNX itself defines by others), the newest opset of each domain and the
newest IR version of the stock release. A test holds it against the installed engine and says how to write it anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import onnx

from model_registry.inspection.findings import CORRUPT, OPERATOR, Finding
from model_registry.inspection.structure import function_keys, node_key
from model_registry.inspection.walk import nodes_below

OPSET_MINIMUM = 7  # ONNX Runtime promises nothing below
_DOMAIN_NAMES = {"": "ai.onnx"}


@cache
def operator_table() -> dict[str, Any]:
    """{"engine", "ir_version", "opsets": {domain: newest}, "operators": {domain: [names]}}."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("operators.json").read_bytes())
    table["operators"] = {domain: frozenset(names) for domain, names in table["operators"].items()}
    return table


def domain_of(name: str) -> str:
    """The standard operators' domain has two spellings."""
    return "" if name == "ai.onnx" else name


def operators_check(model: onnx.ModelProto) -> Iterator[Finding]:
    """Versions, then every operator that the engine lacks, once for each kind with the first node that uses it."""
    table = operator_table()
    if model.ir_version > table["ir_version"]:
        yield Finding(OPERATOR, f"IR version {model.ir_version} is newer than the engine's, {table['ir_version']}")
    yield from _versions_check(model)
    functions = set(function_keys(model))
    seen: Counter[tuple[str, str]] = Counter()
    scopes = [(model.graph.node, model.opset_import), *((entry.node, entry.opset_import) for entry in model.functions)]
    for nodes, imports in scopes:
        versions = {domain_of(entry.domain): entry.version for entry in imports}
        for node in nodes_below(nodes):
            key = (domain_of(node.domain), node.op_type)
            seen[key] += 1
            if seen[key] > 1 or node_key(node) in functions:
                continue
            if problem := _problem(*key, versions=versions):
                name = _DOMAIN_NAMES.get(key[0], key[0])
                output = next(iter(node.output), "")
                yield Finding(
                    OPERATOR,
                    f"operator {name}:{node.op_type} {problem}",
                    node=node.name or f"the maker of {output}",
                    tensor=output,
                )


def _versions_check(model: onnx.ModelProto) -> Iterator[Finding]:
    newest: dict[str, int] = operator_table()["opsets"]
    domains = [domain_of(entry.domain) for entry in model.opset_import]
    for domain in sorted({domain for domain in domains if domains.count(domain) > 1}):
        yield Finding(CORRUPT, f"domain {_DOMAIN_NAMES.get(domain, domain)} is imported in two versions")
    for entry in model.opset_import:
        domain = domain_of(entry.domain)
        if domain in newest and entry.version > newest[domain]:
            name = _DOMAIN_NAMES.get(domain, domain)
            yield Finding(OPERATOR, f"opset {entry.version} of {name} is newer than the engine's, {newest[domain]}")
        elif domain == "" and entry.version < OPSET_MINIMUM:
            yield Finding(OPERATOR, f"opset {entry.version} is too old; export with opset {OPSET_MINIMUM} or later")


def _problem(domain: str, op_type: str, *, versions: dict[str, int]) -> str:
    """Why this operator cannot be run, or nothing."""
    known: dict[str, frozenset[str]] = operator_table()["operators"]
    engine = operator_table()["engine"]
    if domain not in known:
        return f"is of a domain that {engine} does not have"
    if op_type not in known[domain]:
        return f"is not in {engine}"
    if domain not in versions:
        return "is used, but the model does not say which version of its domain it means"
    if domain.startswith("com."):
        return ""
    try:
        schema = onnx.defs.get_schema(op_type, versions[domain], domain)
    except onnx.defs.SchemaError:
        return f"is not in opset {versions[domain]}"
    return f"is withdrawn in opset {versions[domain]}" if schema.deprecated else ""
