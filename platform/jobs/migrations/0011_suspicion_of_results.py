"""Jobs that have a result take their place in the order by suspicion."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def ranks_fill(apps: Any, schema_editor: Any) -> None:
    scored = apps.get_model("jobs", "Result").objects.filter(suspicion__isnull=False)
    found = scored.filter(job_id=OuterRef("pk")).values("suspicion")
    apps.get_model("jobs", "Job").objects.filter(pk__in=scored.values("pk")).update(suspicion_rank=Subquery(found))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_worklist")]
    operations = [migrations.RunPython(ranks_fill, migrations.RunPython.noop)]
