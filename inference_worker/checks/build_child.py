"""The process in which a package is built: `python -m inference_worker.checks.build_child`, started by checks.build.

Reads one BuildRequest from standard input; writes the package into a folder and one line of JSON that says how it went.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from inference_worker.checks.child_process import child_begin
from inference_worker.checks.request import BuildRequest, item_pack
from inference_worker.contract.checks import CheckItem, Verdict
from inference_worker.contract.failures import CATALOGUE
from model_registry.building.errors import ExportError
from model_registry.building.facts import facts_from, package_facts, parameters_count, profile_of
from model_registry.building.golden import drawings, golden_prepare
from model_registry.building.onnx_import import Wishes, classifier_import
from model_registry.building.package_build import package_build
from model_registry.explain import ExplainError
from model_registry.explain.files import model_load
from model_registry.packaging import PackageError

_DETAIL_MAXIMUM = 1500
_SOFTWARE = ("onnx", "onnxruntime")
_NOT_VALIDATED = "Everything: nothing about this model was measured here."
#: What building calls a fault → what the catalogue calls it.
_CODES = {
    "model:facts_invalid": "input:invalid_field",
    "model:input_mismatch": "model:shape_mismatch",
    "model:channel_mismatch": "model:shape_mismatch",
    "model:output_mismatch": "model:label_count_mismatch",
}


def main() -> int:
    request = BuildRequest(**json.load(sys.stdin))
    child_begin(request.parent)
    sys.stdout.write(json.dumps({"item": item_pack(carry_out(request))}) + "\n")
    return 0


def carry_out(request: BuildRequest) -> CheckItem:
    """Build in this very process; what does not fit is the item's failure."""
    try:
        return CheckItem("build", Verdict.PASSED, _build(request))
    except (ExportError, ExplainError, PackageError) as error:
        code = _CODES.get(error.code, error.code)
        known = code if code in CATALOGUE else "model:not_buildable"
        return CheckItem("build", Verdict.FAILED, str(error)[:_DETAIL_MAXIMUM], known)
    except MemoryError:
        return CheckItem("build", Verdict.FAILED, "no more memory", "model:out_of_memory")


def _build(request: BuildRequest) -> str:
    """Write the package; returns what was found in the graph, in words."""
    facts = facts_from(_fields(request.form), source="form")
    profile = profile_of(facts, folder=Path())
    model = model_load(Path(request.source)).model
    imported = classifier_import(
        model,
        classes=facts.classes,
        suspicion_classes=facts.suspicion.classes,
        images=[golden_prepare(name=name, data=data, profile=profile).tensor for name, data in drawings()],
        tensor_layout=profile.tensor_layout,
        wishes=Wishes(**facts.explanation.model_dump()),
    )
    if imported.tensor_layout != profile.tensor_layout:
        profile = profile.model_copy(update={"tensor_layout": imported.tensor_layout})
    described = package_facts(facts=facts, exported=imported.exported, parameters=parameters_count(model), packages=_SOFTWARE)
    package_build(folder=Path(request.folder), exported=imported.exported, facts=described, profile=profile)
    return "; ".join(imported.exported.notes) or "built"


def _fields(form: dict[str, Any]) -> dict[str, Any]:
    """The form's flat fields as the facts of a package; what it leaves out has the facts' own default."""
    suspicion = {"classes": form.get("suspicion_classes"), "target": form.get("suspicion_target")}
    explanation = {name: form[name] for name in ("method", "scores", "target", "outputs", "activation") if form.get(name)}
    return {
        "name": form.get("name"),
        "version": form.get("version"),
        "title": form.get("title") or form.get("name"),
        "classes": form.get("labels"),
        "profile": form.get("profile"),
        "suspicion": suspicion if form.get("threshold") is None else {**suspicion, "threshold": form["threshold"]},
        "intended_use": {"statement": form.get("statement"), "not_validated": [_NOT_VALIDATED]},
        "provenance": {
            "training_data": form.get("training_data") or "Not known here",
            "licence": form.get("licence") or "Not stated",
        },
        "explanation": explanation,
    }


if __name__ == "__main__":
    sys.exit(main())
