"""A candidate beside the package that ships, so that comparing and agreement have something to say.

It is the shipped package with other weights in its last layer and other statements about itself, made for what it answers
and not for its soundness: it is marked as validated in the database.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from model_registry.packaging import Package, package_verify
from model_registry.phantom import LESION_KINDS, phantom_study
from tests.end_to_end_tests.registry import WHY, package_put
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until
from tests.inference_worker_tests.checks_tests.packages import changed_package

DEPLOYMENT = "tour"
_LAST_LAYER = "dog_fpn_1/cells_1/convolution/ReadVariableOp:0"


def _weights_turn(model: onnx.ModelProto) -> None:
    """Enough that some studies get another label."""
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == _LAST_LAYER)
    values = numpy_helper.to_array(weights)
    noise = np.random.default_rng(3).normal(0, values.std(), values.shape).astype(values.dtype)
    weights.CopyFrom(numpy_helper.from_array(values + noise, weights.name))


def candidate_package(folder: Path, shipped: Package) -> Package:
    fields = shipped.manifest.model_dump(mode="json")
    small = {"minimum_area_fraction": 0.01}
    steps = [step | (small if step["step"] == "isolate_breast" else {}) for step in fields["preprocessing"]["steps"]]
    return changed_package(
        shipped,
        folder,
        graph=_weights_turn,
        version="1.2.0-rc.1",
        suspicion=fields["suspicion"] | {"threshold": 0.55, "operating_point": "None: a candidate for comparisons"},
        preprocessing=fields["preprocessing"] | {"name": "film-mlo-small", "steps": steps},
        intended_use=fields["intended_use"] | {"views": ["MLO", "CC"]},
    )


def candidate_run(stack: Stack, package: str, *, cases: int) -> str:
    """DEPLOYMENT serves `package` and runs the candidate as its shadow over so many synthetic studies; returns the candidate's
    digest once every pair is there."""
    shipped = package_verify(next((ROOT / "model_registry" / "packages").glob("dog-fpn-film-*")))
    with tempfile.TemporaryDirectory() as folder:
        candidate = package_put(stack, candidate_package(Path(folder) / "candidate", shipped))
    scope = {"scope": "site", **WHY}
    place = f"/api/v1/deployments/{DEPLOYMENT}"
    stack.client.post(f"{place}/activate", json={"package": package, **scope}).raise_for_status()
    shadow = {"package": candidate, "mode": "shadow", "share": 1, **scope}
    stack.client.post(f"{place}/candidate", json=shadow).raise_for_status()
    for number in range(cases):
        lesion = LESION_KINDS[number % len(LESION_KINDS)] if number % 2 else None
        views = phantom_study(seed=100 + number, size_hw=(512, 416), lesion=lesion)
        files = [(f"{n}.dcm", view.to_dicom_bytes()) for n, view in enumerate(views[2:])]
        stack.submit(files, deployment=DEPLOYMENT, external_id=f"pair-{number + 1}").raise_for_status()
    wait_until(
        lambda: stack.client.get(f"{place}/agreement?scope=site").json()["jobs_compared"] == cases,
        limit_seconds=120,
        what="the candidate has answered for every study",
        every_seconds=0.2,
    )
    return candidate
