"""Uploads that arrive in pieces. The bytes lie in the spool (transfers.spool), the truth about them in these rows."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Site


class UploadKind(models.TextChoices):
    """A single image, or an archive of many."""

    FILE = "file"
    ARCHIVE = "archive"


class UploadState(models.TextChoices):
    """RECEIVING → FINISHED → CONSUMED; RECEIVING → REFUSED; RECEIVING or FINISHED → EXPIRED or TERMINATED.

    Bytes are on disk in the first two states only.
    """

    RECEIVING = "receiving"
    FINISHED = "finished"
    CONSUMED = "consumed"
    REFUSED = "refused"
    EXPIRED = "expired"
    TERMINATED = "terminated"


ON_DISK = (UploadState.RECEIVING, UploadState.FINISHED)


class Upload(models.Model):
    """One file of a site on its way in. `offset`: how many bytes have arrived and are kept.

    The file's name is not kept, for it may name a patient; `name_hint` holds the laterality and view that it told, such as
    “R_MLO”. `batch_id` and `custom_id` are the sender's word on what the file is for; nothing here knows batches.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="uploads")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=UploadKind, default=UploadKind.FILE)
    state = models.CharField(max_length=10, choices=UploadState, default=UploadState.RECEIVING)
    length = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    #: Of the whole file, as announced; empty: not announced.
    sha256 = models.CharField(max_length=64, blank=True, default="")
    media_type = models.CharField(max_length=100, blank=True, default="")
    name_hint = models.CharField(max_length=20, blank=True, default="")
    batch_id = models.UUIDField(null=True, blank=True)
    custom_id = models.CharField(max_length=128, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    #: A request is sending bytes and has said so until then; a killed process's word runs out by itself.
    streaming_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["site", "-created_at", "-id"], name="upload_of_site_newest"),
            models.Index(fields=["site", "state"], name="upload_of_site_state"),
            models.Index(fields=["batch_id", "custom_id"], name="upload_of_batch", condition=models.Q(batch_id__isnull=False)),
            models.Index(fields=["expires_at"], name="upload_expiry"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(offset__gte=0) & models.Q(offset__lte=models.F("length")), name="upload_offset_within_length"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
