"""Sites (hospitals), their users and their API tokens. Everything a caller sees is scoped to the caller's site."""

from __future__ import annotations

import secrets
import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from common.append_only import AppendOnlyModel


def new_pseudonym_key() -> str:
    """256 random bits, as hex."""
    return secrets.token_hex(32)


class Site(models.Model):
    """A hospital. `pseudonym_key` keys the site's deterministic pseudonyms; who loses it loses the link for good."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    pseudonym_key = models.CharField(max_length=64, default=new_pseudonym_key, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class Role(models.TextChoices):
    """What a user may do. Each role may do what the ones before it may."""

    READER = "reader"
    SUBMITTER = "submitter"
    ADMINISTRATOR = "administrator"


class User(AbstractUser):
    """A person at one site."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="users", null=True, blank=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.READER)


class ApiToken(models.Model):
    """A machine's credential. Only the hash is stored; `prefix` lets people recognise it in a list."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="api_tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class FailedLogin(models.Model):
    """One failed sign-in within the throttling window. Keys are keyed hashes of name with address, and of the address."""

    user_key = models.CharField(max_length=64)
    address_key = models.CharField(max_length=64)
    failed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user_key", "failed_at"], name="failed_login_of_user"),
            models.Index(fields=["address_key", "failed_at"], name="failed_login_of_address"),
        ]

    def __str__(self) -> str:
        return f"failed at {self.failed_at:%H:%M:%S}"


class AuditEntry(AppendOnlyModel):
    """One change that a person, a token or the platform itself made: who, what, to which object, when, with which outcome.

    `actor` is null for the platform itself. `action` is `<area>.<verb>`, such as “package.archive”; `subject` names the object
    (a digest, a deployment's name); `detail` holds what changed: configuration alone, no patient identity, no secret.
    """

    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["-at", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
