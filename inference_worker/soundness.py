"""A package's model is inspected before the engine is given it: a file made to harm the engine must not reach it.

The inspection runs in a process of its own (model_registry.inspection.isolation says why). A package found sound is not inspected
again in this process: its digest, proven just before, pins every byte of it.
"""

from __future__ import annotations

import logging

from inference_worker.contract.failures import CATALOGUE, CodedError
from model_registry.inspection import InspectionLimits, Severity, model_inspect
from model_registry.packaging import Package

logger = logging.getLogger(__name__)

_SOUND: set[str] = set()


def soundness_check(package: Package, *, model_bytes_maximum: int) -> None:
    """Raises CodedError with the code of the first error found; every finding is logged."""
    if package.digest in _SOUND:
        return
    findings = model_inspect(package.model_path, package.manifest, limits=InspectionLimits(model_bytes=model_bytes_maximum))
    for finding in findings:
        logger.warning(
            "package.inspected package_digest=%s %s code=%s node=%s tensor=%s: %s",
            package.digest, finding.severity, finding.code, finding.node, finding.tensor, finding.detail,
        )  # fmt: skip
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        place = errors[0].tensor or errors[0].node
        code = errors[0].code if errors[0].code in CATALOGUE else "model:invalid_package"
        raise CodedError(code, f"{place}: {errors[0].detail}" if place else errors[0].detail)
    _SOUND.add(package.digest)
