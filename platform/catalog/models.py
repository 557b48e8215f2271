"""Model packages as rows, how they came in and what was found about them, and deployments with an append-only history.

Rows only. How a package comes in stands in catalog.packages, what workers find in catalog.checks, what moves a pointer in
catalog.deployments.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Site
from common.append_only import AppendOnly, AppendOnlyModel

__all__ = [
    "AppendOnly",
    "CandidateMode",
    "CheckKind",
    "CheckState",
    "Deployment",
    "DeploymentChange",
    "DeploymentRequest",
    "ModelPackage",
    "PackageCheck",
    "PackageUpload",
    "RequestKind",
    "RequestState",
    "UploadState",
]


class CheckState(models.TextChoices):
    """QUEUED → RUNNING → PASSED | FAILED; RUNNING → QUEUED with attempt + 1 when its worker was lost."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PASSED = "PASSED"
    FAILED = "FAILED"


class ModelPackage(models.Model):
    """An installed package. `digest` pins its bytes; `object_key` is its folder in the object store.

    `validation_state` is that of its latest validation (empty before the first): only PASSED may be deployed. An archived package
    takes no new deployment; jobs pinned to it still run and replay.
    """

    digest = models.CharField(primary_key=True, max_length=71)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    manifest = models.JSONField()
    object_key = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    installed_at = models.DateTimeField(auto_now_add=True)
    installed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    signed_by = models.CharField(max_length=100, blank=True, default="")
    validation_state = models.CharField(max_length=10, choices=CheckState, blank=True, default="")
    archived_at = models.DateTimeField(null=True, blank=True)
    archived_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version", "digest"], name="package_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


#: What can be sent: a package as an archive, or a model that becomes one.
UPLOAD_KINDS = [("package", "package"), ("onnx", "onnx")]


class UploadState(models.TextChoices):
    """RECEIVED → BUILDING (an ONNX file, in a worker) → INSTALLED | REFUSED."""

    RECEIVED = "RECEIVED"
    BUILDING = "BUILDING"
    INSTALLED = "INSTALLED"
    REFUSED = "REFUSED"


class PackageUpload(models.Model):
    """A file an administrator sent: a package as an archive, or an ONNX file with the `form` a package is built from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=UPLOAD_KINDS)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    object_key = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=71)
    size_bytes = models.BigIntegerField()
    form = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=UploadState, default=UploadState.RECEIVED)
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, blank=True, related_name="uploads")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_detail = models.CharField(max_length=2000, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class CheckKind(models.TextChoices):
    """What a worker is asked to do with a package: prove it sound, or build it from an ONNX file."""

    VALIDATE = "validate"
    BUILD = "build"


class PackageCheck(models.Model):
    """One piece of registry work in an inference worker. `report` is what it found, as contract.checks describes it.

    It is its own outbox row: `published_at` empty means that the broker does not hold it. `attempt` fences what workers report.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=CheckKind)
    package = models.ForeignKey(ModelPackage, on_delete=models.CASCADE, null=True, blank=True, related_name="checks")
    upload = models.ForeignKey(PackageUpload, on_delete=models.CASCADE, null=True, blank=True, related_name="checks")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=CheckState, default=CheckState.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=1)
    worker = models.CharField(max_length=100, blank=True, default="")
    provider = models.CharField(max_length=64, blank=True, default="")
    step = models.CharField(max_length=40, blank=True, default="")
    steps_done = models.PositiveSmallIntegerField(default=0)
    steps_total = models.PositiveSmallIntegerField(default=0)
    report = models.JSONField(default=dict)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_detail = models.CharField(max_length=2000, blank=True, default="")
    requested_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["package", "-requested_at"], name="check_of_package_newest"),
            models.Index(fields=["state", "not_before"], name="check_open", condition=models.Q(state__in=["QUEUED", "RUNNING"])),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class CandidateMode(models.TextChoices):
    """How a candidate runs beside the package in service: on copies nobody reads, or for a share of the submissions."""

    SHADOW = "shadow"
    CANARY = "canary"


class Deployment(models.Model):
    """A pointer. `site` empty: for every site. Submission resolves it to a digest, which the job keeps.

    `candidate` runs beside `package` for `candidate_share` (0–1] of the submissions. `rules` are the automatic roll-back's:
    {"minimum_jobs", "window_minutes", "failure_share", "latency_p95_seconds"}, each optional; empty: no automatic roll-back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(default="default")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, blank=True, related_name="deployments")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, related_name="deployments")
    activated_at = models.DateTimeField(null=True, blank=True)
    candidate = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, blank=True, related_name="candidacies")
    candidate_mode = models.CharField(max_length=10, choices=CandidateMode, blank=True, default="")
    candidate_share = models.FloatField(default=0.0)
    candidate_since = models.DateTimeField(null=True, blank=True)
    rules = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "site"], name="deployment_once_per_site", nulls_distinct=True),
            models.UniqueConstraint(fields=["name"], condition=models.Q(site=None), name="deployment_once_globally"),
        ]

    def __str__(self) -> str:
        return self.name


class RequestKind(models.TextChoices):
    """What is asked of a deployment."""

    ACTIVATE = "activate"
    ROLLBACK = "rollback"
    CANDIDATE_START = "candidate_start"
    CANDIDATE_STOP = "candidate_stop"
    RULES = "rules"


class RequestState(models.TextChoices):
    """PENDING (a second person must approve) → SCHEDULED (waits for its moment) → APPLIED | FAILED; or REJECTED, WITHDRAWN."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    FAILED = "FAILED"


class DeploymentRequest(models.Model):
    """A change of a deployment that someone asked for, from the asking to its end. The change itself is a DeploymentChange."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=RequestKind)
    deployment_name = models.SlugField()
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    candidate_mode = models.CharField(max_length=10, choices=CandidateMode, blank=True, default="")
    candidate_share = models.FloatField(default=0.0)
    rules = models.JSONField(default=dict, blank=True)
    #: What served when the change was asked for: approving it for another world is refused.
    based_on = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=500)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    apply_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=RequestState)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=500, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "apply_at"], name="request_due", condition=models.Q(state="SCHEDULED"))]

    def __str__(self) -> str:
        return f"{self.kind} {self.deployment_name}"


class DeploymentChange(AppendOnlyModel):
    """One change of a deployment: who, when, from, to, why. Never changed or deleted; trying raises AppendOnly.

    `changed_by` empty: the platform itself, for a first start or an automatic roll-back (`kind` and `reason` say which).
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=16, choices=RequestKind, default=RequestKind.ACTIVATE)
    previous = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, related_name="+")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, related_name="+")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    request = models.ForeignKey(DeploymentRequest, on_delete=models.PROTECT, null=True, related_name="changes")
    reason = models.CharField(max_length=500)
    detail = models.JSONField(default=dict)
    changed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.deployment_id} → {self.package_id}"
