"""Studies and their images, as stored after de-identification. Original identifiers are kept encrypted or not at all."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Site


class StoredObject(models.Model):
    """De-identified bytes in the object store, addressed by their own digest. The same file twice in a site is one row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="stored_objects")
    sha256 = models.CharField(max_length=64)
    object_key = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    media_type = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "sha256"], name="stored_object_once_per_site")]

    def __str__(self) -> str:
        return self.sha256


class Study(models.Model):
    """One examination. `external_id` is the sender's own reference and must not identify a patient; UIDs are pseudonyms."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="studies")
    external_id = models.CharField(max_length=128, blank=True, default="")
    study_instance_uid = models.CharField(max_length=64, blank=True, default="")
    patient_pseudonym = models.CharField(max_length=64, blank=True, default="")
    #: SHA-256 over the sorted digests of its images: the very same files again have the same one. Empty: not known.
    content_sha256 = models.CharField(max_length=64, blank=True, default="")
    #: The synthetic study that ships with the platform (studies.sample): shown as such everywhere, and in no clinical figure.
    is_sample = models.BooleanField(default=False)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "studies"
        indexes = [
            models.Index(fields=["site", "-created_at", "id"], name="study_of_site_newest"),
            # The reference first: the list of jobs asks for it through a join that does not name the study's site.
            models.Index(fields=["external_id", "site"], name="study_external_id"),
            # Whole, because SQLite cannot tell that a digest or pseudonym it is given is not the empty one.
            models.Index(fields=["content_sha256", "site"], name="study_content"),
            models.Index(fields=["patient_pseudonym", "site", "-created_at"], name="study_of_patient"),
            models.Index(fields=["site"], name="study_sample", condition=models.Q(is_sample=True)),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Image(models.Model):
    """One view of a study, in the order it was sent. Header values are as read; empty means the source does not say."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="images")
    stored_object = models.ForeignKey(StoredObject, on_delete=models.PROTECT, related_name="images")
    position = models.PositiveSmallIntegerField()
    sop_instance_uid = models.CharField(max_length=64, blank=True, default="")
    image_laterality = models.CharField(max_length=1, blank=True, default="")
    view_position = models.CharField(max_length=16, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    transfer_syntax_uid = models.CharField(max_length=64, blank=True, default="")
    photometric_interpretation = models.CharField(max_length=16, blank=True, default="")
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["study", "position"], name="image_position_once")]

    def __str__(self) -> str:
        return str(self.id)


class StudyIdentity(models.Model):
    """The hospital's own identifiers of a study, encrypted (studies.identity). Purged by age; the study stays."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, primary_key=True, related_name="identity")
    encrypted = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "study identities"
        indexes = [models.Index(fields=["created_at"], name="study_identity_oldest")]

    def __str__(self) -> str:
        return str(self.study_id)
