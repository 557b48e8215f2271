"""Its index, after the filling: PostgreSQL refuses both in one transaction."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studies", "0003_identity_and_content")]

    operations = [
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                condition=models.Q(("content_sha256", ""), _negated=True), fields=["content_sha256", "site"], name="study_content"
            ),
        ),
    ]
