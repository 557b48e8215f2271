"""What administrators send: packages as archives, and ONNX files that a worker makes into packages.

An archive is unpacked, verified and installed while its sender waits; what is refused leaves a row that says why, and nothing
else. An ONNX file is put into the object store and a worker is asked to build it. Every package that comes in is validated.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import User
from catalog.archives import package_unpack
from catalog.check_orders import build_request, output_prefix, validation_request
from catalog.models import CheckKind, CheckState, ModelPackage, PackageCheck, PackageUpload, UploadState
from catalog.packages import package_install
from common import clock
from common.object_store import object_store
from inference_worker.contract.checks import CheckReport
from inference_worker.contract.failures import CodedError
from model_registry.packaging import MANIFEST_NAME, PackageError, manifest_check, manifest_digest

logger = logging.getLogger(__name__)

_CHUNK = 1024 * 1024
#: Whoever applied the report installs the package at once; only one that died leaves it for so long.
_RESUMED_AFTER = datetime.timedelta(minutes=1)


def archive_upload(*, path: Path, uploaded_by: User) -> PackageUpload:
    """Install the package in the zip archive at `path` and ask for its validation.

    Raises CodedError for what is refused, as package_unpack and package_install do; the upload's row then says so too.
    """
    upload = _received(path, kind="package", form={}, uploaded_by=uploaded_by)
    try:
        with tempfile.TemporaryDirectory(prefix="package-", dir=_incoming()) as place, path.open("rb") as archive:
            folder = Path(place)
            package_unpack(
                archive=archive,
                folder=folder,
                bytes_maximum=settings.PACKAGE_UPLOAD_MAX_BYTES,
                model_bytes_maximum=settings.PACKAGE_MODEL_MAX_BYTES,
            )
            package = package_install(folder=folder, installed_by=uploaded_by)
    except CodedError as error:
        _refuse(upload, code=error.code, detail=error.detail)
        raise
    _installed(upload, package)
    return upload


def onnx_upload(*, path: Path, form: Mapping[str, Any], uploaded_by: User) -> PackageUpload:
    """Keep the ONNX file at `path` and ask a worker to build a package of it and `form` (checked by the caller).

    Raises CodedError input:empty_file, a storage code, or model:signature_missing where only signed packages are installed.
    """
    upload = _received(path, kind="onnx", form=dict(form), uploaded_by=uploaded_by)
    try:
        if settings.PACKAGE_TRUSTED_KEYS:
            raise CodedError("model:signature_missing", "what is built here is not signed: build and sign it offline")
        upload.object_key = f"uploads/{upload.pk}/model.onnx"
        object_store().put_file(upload.object_key, path)
    except CodedError as error:
        _refuse(upload, code=error.code, detail=error.detail)
        raise
    with transaction.atomic():
        upload.state = UploadState.BUILDING
        upload.save(update_fields=["state", "object_key"])
        build_request(upload=upload, requested_by=uploaded_by)
        audit_record(actor=uploaded_by, action="package.build", subject=str(upload.pk), name=form.get("name"))
    return upload


def build_finished(*, check: PackageCheck, report: CheckReport) -> None:
    """A worker built (or refused to build) the package of an upload. Called inside the ledger's transaction; the package is
    installed once that is over, for copying it takes a while."""
    if not report.passed or check.upload is None:
        build_failed(check=check)
        return
    transaction.on_commit(partial(built_install, upload_id=check.upload.pk), robust=True)


def build_failed(*, check: PackageCheck) -> None:
    """The upload ends with the check's failure."""
    if check.upload is not None:
        _refuse(check.upload, code=check.failure_code, detail=check.failure_detail)
        _sweep(check.upload)


def uploads_resume() -> int:
    """Install what was built when its installer died; returns how many. For the reaper's rounds."""
    built = PackageUpload.objects.filter(
        state=UploadState.BUILDING,
        checks__kind=CheckKind.BUILD,
        checks__state=CheckState.PASSED,
        checks__finished_at__lt=clock.now() - _RESUMED_AFTER,
    ).values_list("pk", flat=True)
    keys = list(built[:10])
    for key in keys:
        built_install(upload_id=key)
    return len(keys)


def built_install(*, upload_id: UUID) -> None:
    """Fetch the package that a worker built, verify it like any other, install it, ask for its validation. May be repeated."""
    upload = PackageUpload.objects.select_related("uploaded_by").get(pk=upload_id)
    check = upload.checks.filter(kind=CheckKind.BUILD, state=CheckState.PASSED).order_by("-requested_at").first()
    if upload.state != UploadState.BUILDING or check is None:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="built-", dir=_incoming()) as place:
            _fetch(check, Path(place))
            package = package_install(folder=Path(place), installed_by=upload.uploaded_by)
    except CodedError as error:
        if error.failure.retryable:
            logger.warning("upload %s: its package cannot be installed now: %s", upload.pk, error.code)
            return  # the next round tries again
        _refuse(upload, code=error.code, detail=error.detail)
    else:
        _installed(upload, package)
    _sweep(upload)


def _fetch(check: PackageCheck, folder: Path) -> None:
    """The built package from where this attempt was allowed to write, and nowhere else."""
    prefix, store = output_prefix(check), object_store()
    data = store.get_bytes(f"{prefix}/{MANIFEST_NAME}")
    if check.report.get("package_key") != prefix or manifest_digest(data) != check.report.get("package_digest"):
        raise CodedError("model:digest_mismatch", "the built package is not the one that its worker reported")
    try:
        manifest = manifest_check(data, model_bytes_maximum=settings.PACKAGE_MODEL_MAX_BYTES)
    except PackageError as error:
        raise CodedError(error.code, error.detail) from error
    (folder / MANIFEST_NAME).write_bytes(data)
    for entry in manifest.files:
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(f"{prefix}/{entry.path}") as reader, target.open("xb") as writer:
            while piece := reader.read(_CHUNK):
                writer.write(piece)


def _received(path: Path, *, kind: str, form: dict[str, Any], uploaded_by: User) -> PackageUpload:
    size = path.stat().st_size
    if not size:
        raise CodedError("input:empty_file")
    if size > settings.PACKAGE_UPLOAD_MAX_BYTES:
        raise CodedError("input:too_large", f"A file may hold {settings.PACKAGE_UPLOAD_MAX_BYTES} bytes.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PackageUpload.objects.create(kind=kind, uploaded_by=uploaded_by, sha256=f"sha256:{digest}", size_bytes=size, form=form)


def _installed(upload: PackageUpload, package: ModelPackage) -> None:
    """The package is in; it is validated unless a worker has proven it already."""
    with transaction.atomic():
        if not _is_open(upload):
            return
        upload.state = UploadState.INSTALLED
        upload.package = package
        upload.finished_at = clock.now()
        upload.save(update_fields=["state", "package", "finished_at"])
        audit_record(
            actor=upload.uploaded_by, action="package.upload", subject=package.pk, upload=str(upload.pk), sha256=upload.sha256
        )
        if package.validation_state != CheckState.PASSED:
            validation_request(package=package, requested_by=upload.uploaded_by)


def _is_open(upload: PackageUpload) -> bool:
    """Whether nobody has ended it yet, under the row's lock: two may be about to install the same built package."""
    state = PackageUpload.objects.select_for_update().get(pk=upload.pk).state
    return state in (UploadState.RECEIVED, UploadState.BUILDING)


def _refuse(upload: PackageUpload, *, code: str, detail: str) -> None:
    with transaction.atomic():
        if not _is_open(upload):
            return
        upload.state = UploadState.REFUSED
        upload.failure_code, upload.failure_detail = code[:64], detail[:2000]
        upload.finished_at = clock.now()
        upload.save(update_fields=["state", "failure_code", "failure_detail", "finished_at"])
        audit_record(actor=upload.uploaded_by, action="package.refused", subject=str(upload.pk), code=code, sha256=upload.sha256)
    logger.info("upload %s refused: %s", upload.pk, code)


def _sweep(upload: PackageUpload) -> None:
    """Neither the file that was sent nor what was built of it is needed any more; a store that is away keeps them, harmlessly."""
    try:
        store = object_store()
        if upload.object_key:
            store.delete(upload.object_key)
        for check in upload.checks.filter(kind=CheckKind.BUILD):
            for key in store.list_keys(f"checks/{check.pk}"):
                store.delete(key)
    except CodedError as error:
        logger.warning("upload %s: its files stay in the object store: %s", upload.pk, error.code)


def _incoming() -> str:
    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
    return str(settings.FILE_UPLOAD_TEMP_DIR)
