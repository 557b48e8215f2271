"""Model packages as rows, and deployments: named pointers to a package with an append-only history."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from accounts.models import Site


class ModelPackage(models.Model):
    """An installed package. `digest` pins its bytes; `object_key` is its folder in the object store."""

    digest = models.CharField(primary_key=True, max_length=71)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    manifest = models.JSONField()
    object_key = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    installed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version", "digest"], name="package_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Deployment(models.Model):
    """A pointer. `site` empty: for every site. Submission resolves it to a digest, which the job keeps."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(default="default")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, blank=True, related_name="deployments")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, related_name="deployments")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "site"], name="deployment_once_per_site", nulls_distinct=True),
            models.UniqueConstraint(fields=["name"], condition=models.Q(site=None), name="deployment_once_globally"),
        ]

    def __str__(self) -> str:
        return self.name


class AppendOnly(TypeError):
    """Someone tried to change or delete history."""


class _AppendOnlyQuerySet(models.QuerySet["DeploymentChange"]):
    def update(self, **kwargs: Any) -> int:
        raise AppendOnly("deployment history is never changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly("deployment history is never deleted")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise AppendOnly("deployment history is never changed")


class DeploymentChange(models.Model):
    """One move of a pointer: who, when, from, to, why. Never changed or deleted; trying raises AppendOnly."""

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="changes")
    previous = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, null=True, related_name="+")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, related_name="+")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500)
    changed_at = models.DateTimeField(auto_now_add=True)

    objects = _AppendOnlyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.deployment_id} → {self.package_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("deployment history is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly("deployment history is never deleted")
