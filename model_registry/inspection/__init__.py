"""Static soundness of an ONNX file and of what its manifest says of it, before any engine is given it. See README.md."""

from __future__ import annotations

from pathlib import Path

from model_registry.inspection.checks import size_check
from model_registry.inspection.findings import CODES, Finding, Inspection, ModelFacts, Severity
from model_registry.inspection.interface import profile_check
from model_registry.inspection.isolation import model_checks_isolated
from model_registry.inspection.limits import InspectionLimits
from model_registry.packaging.manifest import Manifest
from model_registry.packaging.package import PackageError, package_read

__all__ = [
    "CODES",
    "Finding",
    "Inspection",
    "InspectionLimits",
    "ModelFacts",
    "Severity",
    "model_inspect",
    "model_report",
    "package_inspect",
]


def model_inspect(
    path: Path | str, manifest: Manifest | None = None, *, limits: InspectionLimits | None = None
) -> tuple[Finding, ...]:
    """Everything that is wrong or odd about a model file; with `manifest` also where the two disagree. Never raises for the
    file's content: what cannot be checked is a finding."""
    return model_report(path, manifest, limits=limits).findings


def model_report(path: Path | str, manifest: Manifest | None = None, *, limits: InspectionLimits | None = None) -> Inspection:
    """As `model_inspect`, with what the file says about itself."""
    path = Path(path)
    limits = limits or InspectionLimits()
    of_profile = () if manifest is None else tuple(profile_check(manifest))
    if unreadable := size_check(path, limits):
        return Inspection((unreadable, *of_profile), None)
    inspection = model_checks_isolated(path, manifest=manifest, limits=limits)
    return Inspection((*of_profile, *inspection.findings), inspection.facts)


def package_inspect(folder: Path | str, *, limits: InspectionLimits | None = None) -> tuple[Finding, ...]:
    """As `model_inspect` for the package in `folder`. A package that cannot be read is a finding with the package's code; that
    its files are the ones the manifest means is proven by `package_verify`, not here."""
    limits = limits or InspectionLimits()
    try:
        package = package_read(folder, model_bytes_maximum=limits.model_bytes)
    except PackageError as error:
        return (Finding(error.code, error.detail),)
    return model_inspect(package.model_path, package.manifest, limits=limits)
