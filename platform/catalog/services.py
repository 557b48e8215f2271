"""Write side of packages and deployments: install a package, move a pointer.

A package is verified before a byte of it is copied and its manifest is copied last, so that a manifest in the object store
always stands for a whole package. Nothing here loads a model.
"""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from accounts.models import Site, User
from catalog.models import Deployment, DeploymentChange, ModelPackage
from common.object_store import object_store
from inference_worker.contract.failures import CodedError
from model_registry.packaging import MANIFEST_NAME, Package, PackageError, package_verify

_REASON_MAXIMUM = 500


def package_install(*, folder: Path | str) -> ModelPackage:
    """Verify the package in `folder`, copy it to the object store and make its row. Repeating it changes nothing.

    Raises CodedError model:package_missing, model:invalid_package, model:digest_mismatch or a storage code.
    """
    try:
        package = package_verify(folder)
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
        },
    )
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
    if not complete:
        store.put_file(manifest_key, package.folder / MANIFEST_NAME)


@transaction.atomic
def deployment_activate(
    *, name: str, site: Site | None, package: ModelPackage, changed_by: User | None, reason: str
) -> Deployment:
    """Point the deployment at the package and write down who, when, from, to and why. Pointing it where it points is no change.

    Jobs that were submitted keep the package they were submitted with.
    """
    deployment, created = Deployment.objects.select_for_update().get_or_create(
        name=name, site=site, defaults={"package": package}
    )
    previous = None if created else deployment.package
    if previous is not None and previous.pk == package.pk:
        return deployment
    deployment.package = package
    deployment.save(update_fields=["package", "updated_at"])
    DeploymentChange.objects.create(
        deployment=deployment, previous=previous, package=package, changed_by=changed_by, reason=reason[:_REASON_MAXIMUM]
    )
    return deployment
