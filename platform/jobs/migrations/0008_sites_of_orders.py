from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps: Any, schema_editor: Any) -> None:
    """Orders written before their site was kept with them."""
    message, job = apps.get_model("jobs", "OutboxMessage"), apps.get_model("jobs", "Job")
    of_job = job.objects.filter(pk=OuterRef("job_id")).values("site_id")[:1]
    message.objects.filter(site=None).update(site_id=Subquery(of_job))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_turns")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
