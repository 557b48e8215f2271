from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0013_counts_state"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="job",
            name="job_of_site_newest",
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["site", "-created_at", "-id"], name="job_of_site_newest"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("revision__gte", models.F("revision"))), fields=["-created_at", "-id"], name="job_newest"
            ),
        ),
    ]
