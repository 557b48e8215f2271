"""One validation from order to report: the files and the graph from here, everything that runs the model in a child process.

Reads like the report. Says nothing to anybody: progress goes to a callback. Raises CodedError with a system: code when this
worker could not do its work, which says nothing about the package; what is wrong with the package is in the report.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort

from inference_worker import __version__
from inference_worker.checks.child_process import child_run
from inference_worker.checks.request import ChildRequest, item_unpack, settings_pack
from inference_worker.contract.checks import VALIDATION_ITEMS, CheckItem, CheckOrder, CheckReport, Verdict
from inference_worker.contract.failures import CATALOGUE, CodedError, Responsibility
from inference_worker.package_cache import PackageCache
from inference_worker.settings import WorkerSettings
from model_registry.inspection import InspectionLimits, Severity, model_inspect
from model_registry.packaging import Package

CHILD = "inference_worker.checks"
_DETAIL_MAXIMUM = 1500

Progress = Callable[[str, int, int], None]


def validation_run(
    order: CheckOrder,
    *,
    packages: PackageCache,
    settings: WorkerSettings,
    progress: Progress = lambda step, done, total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    orders_active: Callable[[], int] = lambda: 0,
) -> CheckReport:
    """Carry out every item; see contract.checks.VALIDATION_ITEMS. `progress` takes the item begun, how many are done and how many
    there are. Raises CodedError (system: codes) and CheckAbandoned."""
    if order.package_digest is None or order.package_key is None:
        raise CodedError("system:contract_violation", "a validation names its package")
    digest, key = order.package_digest, order.package_key
    report = _Report(progress)
    package = report.carried_out("files", lambda: _files(packages, settings, digest, key))
    if package is not None:
        report.carried_out("structure", lambda: _structure(package, settings))
        report.carried_out("size", lambda: _size(package, settings))
    if package is not None and report.passed:
        _model_run(package, report, settings, is_cancelled=is_cancelled, orders_active=orders_active)
    return report.finished()


class _Report:
    """Gathers items. Keeps the order of the contract and says which item is under way."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._items: dict[str, CheckItem] = {}
        self.current = ""
        self.provider = ""
        self.performance: list[Any] = []
        self.software: dict[str, Any] = {
            "worker": __version__,
            "onnxruntime": ort.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }

    @property
    def passed(self) -> bool:
        return all(item.verdict is not Verdict.FAILED for item in self._items.values())

    def begun(self, name: str) -> None:
        self.current = name
        self._progress(name, len(self._items), len(VALIDATION_ITEMS))

    def done(self, item: CheckItem) -> None:
        self._items[item.name] = item
        self.current = ""

    def carried_out(self, name: str, action: Callable[[], tuple[Package, CheckItem]]) -> Package | None:
        """One item done in this process. None when it failed."""
        self.begun(name)
        started = time.monotonic()
        try:
            package, item = action()
        except CodedError as error:
            if error.failure.responsibility is not Responsibility.MODEL:
                raise
            package, item = None, CheckItem(name, Verdict.FAILED, error.detail[:_DETAIL_MAXIMUM], error.code)
        self.done(dataclasses.replace(item, seconds=round(time.monotonic() - started, 3)))
        return package

    def finished(self) -> CheckReport:
        why = "not tried: an earlier item failed"
        items = tuple(self._items.get(name) or CheckItem(name, Verdict.SKIPPED, why) for name in VALIDATION_ITEMS)
        return CheckReport(
            passed=self.passed,
            items=items,
            provider=self.provider,
            software=self.software,
            performance=self.performance or None,
        )


def _files(packages: PackageCache, settings: WorkerSettings, digest: str, key: str) -> tuple[Package, CheckItem]:
    package = packages.package_get(package_digest=digest, package_key=key)
    files = package.manifest.files
    signed = "signed by a trusted key" if settings.package_trusted_keys is not None else "no signature asked for"
    figures = {"files": len(files), "bytes": sum(entry.size_bytes for entry in files)}
    return package, CheckItem("files", Verdict.PASSED, f"{len(files)} files with their digests, {signed}", figures=figures)


def _structure(package: Package, settings: WorkerSettings) -> tuple[Package, CheckItem]:
    limits = InspectionLimits(model_bytes=settings.package_model_maximum_bytes)
    findings = model_inspect(package.model_path, package.manifest, limits=limits)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    words = "\n".join(
        " ".join(filter(None, (f"{finding.code}:", finding.node or finding.tensor, finding.detail)))
        for finding in (errors or findings)
    )
    figures = {"errors": len(errors), "warnings": len(findings) - len(errors)}
    if errors:
        code = errors[0].code if errors[0].code in CATALOGUE else "model:invalid_package"
        return package, CheckItem("structure", Verdict.FAILED, words[:_DETAIL_MAXIMUM], code, figures)
    if findings:
        return package, CheckItem("structure", Verdict.WARNING, words[:_DETAIL_MAXIMUM], figures=figures)
    detail = "operators, shapes, labels and weights are sound"
    return package, CheckItem("structure", Verdict.PASSED, detail, figures=figures)


def _size(package: Package, settings: WorkerSettings) -> tuple[Package, CheckItem]:
    size, limit = package.model_path.stat().st_size, settings.session_memory_limit_bytes
    figures = {"model_bytes": size, "session_memory_limit_bytes": limit}
    if size > limit:
        detail = f"the model has {size} bytes, SESSION_MEMORY_LIMIT_MB of this worker allows {limit}"
        return package, CheckItem("size", Verdict.FAILED, detail, "model:out_of_memory", figures)
    detail = f"{size / 2**20:.1f} MB of the {limit // 2**20} MB that this worker keeps for models"
    return package, CheckItem("size", Verdict.PASSED, detail, figures=figures)


def _model_run(
    package: Package,
    report: _Report,
    settings: WorkerSettings,
    *,
    is_cancelled: Callable[[], bool],
    orders_active: Callable[[], int],
) -> None:
    """Everything that needs a session. What the child had begun when it died is what failed."""

    def line_read(line: dict[str, Any]) -> None:
        if "begin" in line:
            report.begun(str(line["begin"]))
        elif "item" in line:
            item = item_unpack(line["item"])
            if item.name == "performance":
                # Figures taken beside orders are slower than the model is; whoever reads them should know.
                item = dataclasses.replace(item, figures={**(item.figures or {}), "orders_beside": orders_active()})
            report.done(item)
        elif "provider" in line:
            report.provider = str(line["provider"])
        elif "performance" in line:
            report.performance.append(line["performance"])

    request = ChildRequest(
        folder=str(package.folder.absolute()),
        parent=os.getpid(),
        memory_bytes=settings.session_memory_limit_bytes,
        settings=settings_pack(settings),
    )
    started = time.monotonic()
    report.begun("session")
    ending = child_run(
        module=CHILD,
        request=dataclasses.asdict(request),
        memory_bytes=settings.session_memory_limit_bytes,
        seconds=settings.validation_seconds,
        line_read=line_read,
        is_cancelled=is_cancelled,
    )
    if ending.reason:
        name = report.current or "session"
        seconds = round(time.monotonic() - started, 3)
        report.done(
            CheckItem(name, Verdict.FAILED, f"the process that ran the model: {ending.reason}", ending.code, seconds=seconds)
        )
