"""What tests of the registry need of a running product: packages of known answer, put in its catalogue, and a second worker.

The packages are chosen for their answer, not for their soundness, so they are marked as validated in the database; the validation
itself has tests of its own.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from model_registry.packaging import Package
from tests.end_to_end_tests.stack import ROOT, Stack, wait_until
from tests.inference_worker_tests.factories import CLASSES, tiny_model, tiny_package

WHY = {"reason": "because of tests"}


def relabelled_package(folder: Path) -> Package:
    """As tiny_package, with the labels in the opposite order and the model's outputs turned to fit: a bright square is malignant
    under both, and a mix-up of orders would call it normal."""
    model = onnx.load_from_string(tiny_model())
    for tensor in model.graph.initializer:
        if tensor.name in ("slope", "offset"):
            turned = numpy_helper.to_array(tensor)[:, ::-1].copy()
            tensor.CopyFrom(numpy_helper.from_array(turned, tensor.name))
    classes = tuple(reversed(CLASSES))
    return tiny_package(folder, model=model.SerializeToString(), version="2.0.0", name="relabelled", classes=classes)


def heavy_package(folder: Path, *, version: str, seed: int, side: int = 5000) -> Package:
    """tiny_package with `side`² float32 weights (100 MB by default) on the way to its logits."""
    random = np.random.default_rng(seed)
    model = onnx.load_from_string(tiny_model())
    graph = model.graph
    weights = {
        "heavy_in": random.normal(size=(3, side)).astype(np.float32) * 1e-3,
        "heavy": random.normal(size=(side, side)).astype(np.float32) * 1e-3,
        "heavy_out": random.normal(size=(side, 3)).astype(np.float32) * 1e-3,
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    last = next(index for index, node in enumerate(graph.node) if "logits" in node.output)
    graph.node[last].output[0] = "light_logits"
    added = [
        helper.make_node("MatMul", ["light_logits", "heavy_in"], ["wide"]),
        helper.make_node("MatMul", ["wide", "heavy"], ["wider"]),
        helper.make_node("MatMul", ["wider", "heavy_out"], ["small"]),
        helper.make_node("Add", ["light_logits", "small"], ["logits"]),
    ]
    for offset, node in enumerate(added, start=1):
        graph.node.insert(last + offset, node)
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    return tiny_package(folder, model=model.SerializeToString(), version=version, name="heavy")


def package_put(stack: Stack, package: Package) -> str:
    """Install the package in the product's catalogue as one that passed its validation; returns its digest."""
    worker = psutil.Process(stack.pids()["dispatcher"])
    command = [
        sys.executable,
        str(ROOT / "platform" / "manage.py"),
        "install_package",
        "--without-validation",
        str(package.folder),
    ]
    done = subprocess.run(command, env=worker.environ(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    digest = done.stdout.strip().splitlines()[-1]
    package_pass(stack, digest)
    return digest


def package_pass(stack: Stack, digest: str) -> None:
    """The package stands as validated, without the wait for it; what a worker still finds of it is too late."""
    with closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3", timeout=30)) as database, database:
        changed = database.execute("UPDATE catalog_modelpackage SET validation_state='PASSED' WHERE digest=?", (digest,))
        assert changed.rowcount == 1
        database.execute(
            "UPDATE catalog_packagecheck SET state='PASSED', finished_at=requested_at, lease_until=NULL"
            " WHERE package_id=? AND state IN ('QUEUED', 'RUNNING')",
            (digest,),
        )


def activate(stack: Stack, digest: str) -> dict[str, Any]:
    """Point the demo site's own default at the package, through the API."""
    answer = stack.client.post("/api/v1/deployments/default/activate", json={"package": digest, "scope": "site", **WHY})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def readiness(stack: Stack, digest: str) -> dict[str, Any]:
    return dict(stack.client.get(f"/api/v1/packages/{digest}/readiness").json())


@contextmanager
def second_worker(stack: Stack, *, name: str, before: str, folder: Path) -> Iterator[psutil.Process]:
    """Another inference worker of the same product, in whose process `before` (Python) runs first."""
    code = f"{before}\nimport sys\nfrom inference_worker.__main__ import main\nsys.exit(main())"
    first = psutil.Process(stack.pids()["worker"]).environ()
    environment = {**first, "WORKER_NAME": name, "PACKAGE_CACHE_DIR": str(folder / f"cache-{name}")}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def worker_known(stack: Stack, name: str, digest: str, state: str) -> None:
    """Wait until the platform says this of a worker and a package."""

    def said() -> bool:
        return any((row["name"], row["state"]) == (name, state) for row in readiness(stack, digest)["workers"])

    wait_until(said, limit_seconds=40, what=f"{name} is {state}", every_seconds=0.2)
