"""Encrypted identifiers, and the digest by which a study that was sent before is recognised; known studies get theirs."""

from __future__ import annotations

import hashlib
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

_CHUNK = 500


def contents_fill(apps: Any, schema_editor: Any) -> None:
    """The digest of every study that is here, in chunks by key."""
    Study, Image = apps.get_model("studies", "Study"), apps.get_model("studies", "Image")
    last = None
    while True:
        rows = Study.objects.filter(content_sha256="").order_by("pk")
        studies = list((rows if last is None else rows.filter(pk__gt=last)).only("pk")[:_CHUNK])
        if not studies:
            return
        digests: dict[Any, list[str]] = {}
        images = Image.objects.filter(study_id__in=[study.pk for study in studies])
        for study_id, sha256 in images.values_list("study_id", "stored_object__sha256"):
            digests.setdefault(study_id, []).append(sha256)
        for study in studies:
            if study.pk in digests:
                study.content_sha256 = hashlib.sha256("\n".join(sorted(digests[study.pk])).encode()).hexdigest()
        Study.objects.bulk_update(studies, ["content_sha256"])
        last = studies[-1].pk


class Migration(migrations.Migration):
    dependencies = [("studies", "0002_external_id_index")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="content_sha256",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.CreateModel(
            name="StudyIdentity",
            fields=[
                (
                    "study",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="identity",
                        serialize=False,
                        to="studies.study",
                    ),
                ),
                ("encrypted", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"verbose_name_plural": "study identities"},
        ),
        migrations.AddIndex(
            model_name="studyidentity",
            index=models.Index(fields=["created_at"], name="study_identity_oldest"),
        ),
        migrations.RunPython(contents_fill, migrations.RunPython.noop, elidable=True),
    ]
