"""A package from an uploaded ONNX file and the form beside it, written to the object store for the platform to install.

The file is inspected first, then turned into a package in a child process, for the graph runs on its way. Like a validation it
says nothing to anybody: progress goes to a callback; what is wrong with the file or the form is in the report.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference_worker import __version__
from inference_worker.checks.child_process import child_run
from inference_worker.checks.request import BuildRequest, item_unpack
from inference_worker.checks.validation import Progress
from inference_worker.contract.checks import BUILD_ITEMS, CheckItem, CheckOrder, CheckReport, Verdict
from inference_worker.contract.failures import CATALOGUE, CodedError
from inference_worker.object_store import ObjectStore
from inference_worker.settings import WorkerSettings
from model_registry.inspection import InspectionLimits, Severity, model_inspect
from model_registry.packaging import MANIFEST_NAME, Package, PackageError, package_verify

CHILD = "inference_worker.checks.build_child"
_DETAIL_MAXIMUM = 1500


def build_run(
    order: CheckOrder,
    *,
    store: ObjectStore,
    settings: WorkerSettings,
    progress: Progress = lambda step, done, total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> CheckReport:
    """Carry out every item of BUILD_ITEMS; the first that fails ends it. Raises CodedError (system: codes) and CheckAbandoned."""
    if order.source_key is None or order.source_sha256 is None or order.form is None or order.output_prefix is None:
        raise CodedError("system:contract_violation", "a build names its source, form and place")
    build = _Build(progress)
    with tempfile.TemporaryDirectory(prefix="mammoserve-build-") as place:
        source, folder = Path(place) / "model.onnx", Path(place) / "packages"
        build.begin("file")
        build.done(_fetched(store, order.source_key, order.source_sha256, source))
        build.begin("structure")
        build.done(_structure(source, settings))
        package: Package | None = None
        if build.passed:
            build.begin("build")
            build.done(_built(source, folder, order.form, settings, is_cancelled))
        if build.passed:
            build.begin("store")
            package, item = _stored(folder, order.output_prefix, store)
            build.done(item)
        return build.report(package=package, package_key=order.output_prefix)


class _Build:
    """Gathers items and says which is under way."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._items: dict[str, CheckItem] = {}
        self._since = 0.0

    @property
    def passed(self) -> bool:
        return all(item.verdict is not Verdict.FAILED for item in self._items.values())

    def begin(self, name: str) -> None:
        self._since = time.monotonic()
        self._progress(name, len(self._items), len(BUILD_ITEMS))

    def done(self, item: CheckItem) -> None:
        self._items[item.name] = dataclasses.replace(item, seconds=round(time.monotonic() - self._since, 3))

    def report(self, *, package: Package | None, package_key: str) -> CheckReport:
        why = "not tried: an earlier item failed"
        return CheckReport(
            passed=self.passed,
            items=tuple(self._items.get(name) or CheckItem(name, Verdict.SKIPPED, why) for name in BUILD_ITEMS),
            provider="",
            software={"worker": __version__},
            package_key=package_key if package is not None else None,
            package_digest=package.digest if package is not None else None,
        )


def _fetched(store: ObjectStore, key: str, sha256: str, target: Path) -> CheckItem:
    data = store.read(key=key)
    if hashlib.sha256(data).hexdigest() != sha256.removeprefix("sha256:"):
        raise CodedError("system:object_corrupt", "the uploaded file does not match its digest")
    target.write_bytes(data)
    return CheckItem("file", Verdict.PASSED, f"{len(data)} bytes, as they were sent", figures={"bytes": len(data)})


def _structure(source: Path, settings: WorkerSettings) -> CheckItem:
    findings = model_inspect(source, limits=InspectionLimits(model_bytes=settings.package_model_maximum_bytes))
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    words = "\n".join(
        " ".join(filter(None, (f"{finding.code}:", finding.node or finding.tensor, finding.detail)))
        for finding in (errors or findings)
    )[:_DETAIL_MAXIMUM]
    if errors:
        code = errors[0].code if errors[0].code in CATALOGUE else "model:corrupt_onnx"
        return CheckItem("structure", Verdict.FAILED, words, code, {"errors": len(errors)})
    return CheckItem("structure", Verdict.WARNING if findings else Verdict.PASSED, words or "sound")


def _built(
    source: Path, folder: Path, form: dict[str, Any], settings: WorkerSettings, is_cancelled: Callable[[], bool]
) -> CheckItem:
    said: list[CheckItem] = []

    def line_read(line: dict[str, Any]) -> None:
        if "item" in line:
            said.append(item_unpack(line["item"]))

    ending = child_run(
        module=CHILD,
        request=dataclasses.asdict(BuildRequest(source=str(source), folder=str(folder), parent=os.getpid(), form=form)),
        memory_bytes=settings.session_memory_limit_bytes,
        seconds=settings.validation_seconds,
        line_read=line_read,
        is_cancelled=is_cancelled,
    )
    if ending.reason:
        return CheckItem("build", Verdict.FAILED, f"the process that built the package: {ending.reason}", ending.code)
    if not said:
        return CheckItem("build", Verdict.FAILED, "the process that built the package said nothing", "model:engine_crashed")
    return said[-1]


def _stored(folder: Path, prefix: str, store: ObjectStore) -> tuple[Package | None, CheckItem]:
    """Every file, the manifest last: where it lies, the package is whole."""
    try:
        package = package_verify(next(folder.iterdir()))
    except (StopIteration, PackageError) as error:
        detail = error.detail if isinstance(error, PackageError) else "no package was written"
        return None, CheckItem("store", Verdict.FAILED, detail, "model:invalid_package")
    for path in (*(entry.path for entry in package.manifest.files), MANIFEST_NAME):
        store.write(key=f"{prefix}/{path}", data=(package.folder / path).read_bytes())
    files = len(package.manifest.files) + 1
    return package, CheckItem("store", Verdict.PASSED, f"{files} files", figures={"files": files})
