"""Sites (hospitals), their users and their API tokens. Everything a caller sees is scoped to the caller's site."""

from __future__ import annotations

import secrets
import uuid

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from common.append_only import AppendOnlyModel

SHARE_WEIGHT_MAXIMUM = 100


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
    #: Turns in the queue, against other sites' turns: a site of weight 3 is sent three orders for every one of weight 1.
    share_weight = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(SHARE_WEIGHT_MAXIMUM)]
    )
    #: Limits of this site; empty: the platform's default, 0: no limit.
    max_queued_jobs = models.PositiveIntegerField(null=True, blank=True)
    max_studies_per_day = models.PositiveIntegerField(null=True, blank=True)
    max_storage_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    max_submissions_per_minute = models.PositiveIntegerField(null=True, blank=True)
    max_submissions_per_minute_of_token = models.PositiveIntegerField(null=True, blank=True)

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
    #: The password is one that an administrator was shown: it opens the door to changing it and to nothing else.
    must_change_password = models.BooleanField(default=False)
    #: Results that finished before it count as read: a new person begins with what comes. See jobs.reading.
    results_read_until = models.DateTimeField(default=timezone.now)


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
    #: Refused from then on; empty: never.
    expires_at = models.DateTimeField(null=True, blank=True)
    #: Reads and nothing else, whatever its user may do.
    read_only = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SiteUsage(models.Model):
    """Locked by whoever admits a submission to a site with quotas, so that two at once cannot both be the last one allowed, and
    by whoever looks whether the same study is on its way. Keeps what is too long to add up each time: the bytes stored, as last
    measured and added to since."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, primary_key=True, related_name="usage")
    storage_bytes = models.PositiveBigIntegerField(default=0)
    storage_measured_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.site_id}: {self.storage_bytes} bytes"


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
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            models.Index(fields=["site", "-at", "-id"], name="audit_of_site_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
