"""How a package comes in and whether it may serve. Nothing here loads a model.

A package is verified before a byte of it is copied and its manifest is copied last, so that a manifest in the object store
always stands for a whole package. Uploads are catalog.uploads' concern, what workers find catalog.checks'.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.audit import audit_record
from accounts.models import User
from catalog.models import CheckState, Deployment, ModelPackage
from common import clock
from common.object_store import object_store
from inference_worker.contract.failures import CodedError
from model_registry.packaging import MANIFEST_NAME, SIGNATURE_NAME, Package, PackageError, package_verify
from model_registry.packaging.signature import signature_require


def package_install(*, folder: Path | str, installed_by: User | None = None) -> ModelPackage:
    """Verify the package in `folder`, copy it to the object store and make its row. Repeating it changes nothing.

    Raises CodedError model:package_missing, model:invalid_package, model:too_large, model:digest_mismatch, where trusted keys are
    configured model:signature_missing, model:signature_invalid or model:signer_unknown, or a storage code.
    """
    try:
        package = package_verify(folder, model_bytes_maximum=settings.PACKAGE_MODEL_MAX_BYTES)
        signed_by = signature_require(folder, keys_place=settings.PACKAGE_TRUSTED_KEYS) or ""
    except PackageError as error:
        raise CodedError(error.code, error.detail) from error
    object_key = f"packages/{package.digest.removeprefix('sha256:')}"
    _copy(package, object_key)
    row, _ = ModelPackage.objects.get_or_create(
        digest=package.digest,
        defaults={
            "name": package.manifest.name,
            "version": package.manifest.version,
            "manifest": package.manifest.model_dump(mode="json"),
            "object_key": object_key,
            "size_bytes": package.size_bytes,
            "installed_by": installed_by,
            "signed_by": signed_by[:100],
        },
    )
    if signed_by and row.signed_by != signed_by[:100]:  # installed before it was signed, or signed anew
        row.signed_by = signed_by[:100]
        row.save(update_fields=["signed_by"])
    return row


def _copy(package: Package, object_key: str) -> None:
    """Put the files, then the manifest. What already lies there with its size is left alone; the worker verifies digests."""
    store = object_store()
    manifest_key = f"{object_key}/{MANIFEST_NAME}"
    complete = store.exists(manifest_key)
    for entry in package.manifest.files:
        key = f"{object_key}/{entry.path}"
        if not (complete and store.exists(key) and store.size(key) == entry.size_bytes):
            store.put_file(key, package.folder / entry.path)
    signature = package.folder / SIGNATURE_NAME
    if signature.is_file():  # may come later than the package, or from another signer
        store.put_file(f"{object_key}/{SIGNATURE_NAME}", signature)
    if not complete:
        store.put_file(manifest_key, package.folder / MANIFEST_NAME)


def package_archive(*, package: ModelPackage, archived_by: User | None, reason: str) -> ModelPackage:
    """Take a package out of what may be put in service. Jobs pinned to it still run and replay. Repeating it changes nothing.

    Raises CodedError input:package_in_service while any site's deployment points at it, or runs it as a candidate.
    """
    with transaction.atomic():
        row = ModelPackage.objects.select_for_update().get(pk=package.pk)
        used = Deployment.objects.filter(Q(package=row) | Q(candidate=row)).order_by("name").values_list("name", flat=True)
        if used:
            raise CodedError("input:package_in_service", ", ".join(dict.fromkeys(used)))
        if row.archived_at is None:
            row.archived_at, row.archived_by = clock.now(), archived_by
            row.save(update_fields=["archived_at", "archived_by"])
            audit_record(actor=archived_by, action="package.archive", subject=row.pk, reason=reason)
    return row


def package_unarchive(*, package: ModelPackage, unarchived_by: User | None, reason: str) -> ModelPackage:
    """Let a package be put in service again. Repeating it changes nothing."""
    with transaction.atomic():
        row = ModelPackage.objects.select_for_update().get(pk=package.pk)
        if row.archived_at is not None:
            row.archived_at = row.archived_by = None
            row.save(update_fields=["archived_at", "archived_by"])
            audit_record(actor=unarchived_by, action="package.unarchive", subject=row.pk, reason=reason)
    return row


def package_deployable_check(package: ModelPackage) -> None:
    """Only a package that passed its latest validation and is not archived may be put in service.

    Raises CodedError model:not_validated, model:validation_failed or model:package_archived.
    """
    if package.archived_at is not None:
        raise CodedError("model:package_archived", str(package))
    if package.validation_state == CheckState.FAILED:
        raise CodedError("model:validation_failed", str(package))
    if package.validation_state != CheckState.PASSED:
        raise CodedError("model:not_validated", str(package))
