"""What administrators send: packages as archives, and ONNX files that a worker makes into packages."""

from __future__ import annotations

from catalog.models import PackageCheck, UploadState
from common import clock
from inference_worker.contract.checks import CheckReport


def build_finished(*, check: PackageCheck, report: CheckReport) -> None:
    """A worker built (or refused to build) the package of an upload. Called inside the ledger's transaction."""
    if not report.passed:
        build_failed(check=check)


def build_failed(*, check: PackageCheck) -> None:
    """The upload ends with the check's failure."""
    upload = check.upload
    if upload is not None:
        upload.state = UploadState.REFUSED
        upload.failure_code, upload.failure_detail = check.failure_code, check.failure_detail
        upload.finished_at = clock.now()
        upload.save(update_fields=["state", "failure_code", "failure_detail", "finished_at"])
