"""Registry work asked of inference workers: who asks, what is due, what a worker is told. What came of it is catalog.checks'.

A check is no job: it has no study, and its row is its own outbox. This module publishes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.audit import audit_record
from accounts.models import User
from catalog.models import CheckKind, CheckState, ModelPackage, PackageCheck, PackageUpload
from common import clock
from inference_worker.contract.checks import CheckOrder, CheckTask

OPEN = (CheckState.QUEUED, CheckState.RUNNING)


def validation_request(
    *, package: ModelPackage, requested_by: User | None, not_before: datetime.datetime | None = None
) -> PackageCheck:
    """Ask a worker to prove the package, at once or not before a moment. While one validation of it is open, that one is
    returned."""
    with transaction.atomic():
        ModelPackage.objects.select_for_update().get(pk=package.pk)
        running = PackageCheck.objects.filter(package=package, kind=CheckKind.VALIDATE, state__in=OPEN).first()
        if running is not None:
            return running
        check = PackageCheck.objects.create(
            kind=CheckKind.VALIDATE, package=package, requested_by=requested_by, not_before=not_before or clock.now()
        )
        package_follow(check)
        audit_record(actor=requested_by, action="package.validate", subject=package.pk, check=str(check.pk))
    package.validation_state = check.state
    return check


def build_request(*, upload: PackageUpload, requested_by: User) -> PackageCheck:
    """Ask a worker to build a package from an uploaded ONNX file and its form. Joins the caller's transaction."""
    return PackageCheck.objects.create(kind=CheckKind.BUILD, upload=upload, requested_by=requested_by, not_before=clock.now())


def checks_due() -> list[PackageCheck]:
    """Checks that the broker does not hold and that may start, oldest first, locked until the caller's transaction ends."""
    rows = PackageCheck.objects.select_for_update(of=("self",)).select_related("package", "upload")
    return list(
        rows.filter(state=CheckState.QUEUED, published_at=None, not_before__lte=clock.now()).order_by("requested_at")[:20]
    )


def check_order(check: PackageCheck) -> CheckOrder:
    """What a worker is told."""
    if check.kind == CheckKind.BUILD:
        assert check.upload is not None
        return CheckOrder(
            check_id=str(check.pk),
            attempt=check.attempt,
            task=CheckTask.BUILD,
            lease_seconds=settings.JOB_LEASE_SECONDS,
            source_key=check.upload.object_key,
            source_sha256=check.upload.sha256,
            form=check.upload.form,
            output_prefix=output_prefix(check),
        )
    assert check.package is not None
    return CheckOrder(
        check_id=str(check.pk),
        attempt=check.attempt,
        task=CheckTask.VALIDATE,
        lease_seconds=settings.JOB_LEASE_SECONDS,
        package_digest=check.package.pk,
        package_key=check.package.object_key,
    )


def output_prefix(check: PackageCheck) -> str:
    """The folder in the object store where this attempt, and no other, writes."""
    return f"checks/{check.pk}/{check.attempt}"


def checks_published(checks: Sequence[PackageCheck]) -> None:
    """The broker holds these now."""
    PackageCheck.objects.filter(pk__in=[check.pk for check in checks]).update(published_at=clock.now())


def checks_republish() -> int:
    """The broker forgot everything: what waited there waits here again."""
    return PackageCheck.objects.filter(state=CheckState.QUEUED, published_at__isnull=False).update(published_at=None)


def package_follow(check: PackageCheck) -> None:
    """A package stands as its latest validation does."""
    if check.kind == CheckKind.VALIDATE:
        newer = Q(requested_at__gt=check.requested_at)
        if not PackageCheck.objects.filter(newer, package=check.package, kind=CheckKind.VALIDATE).exists():
            ModelPackage.objects.filter(pk=check.package_id).update(validation_state=check.state)
