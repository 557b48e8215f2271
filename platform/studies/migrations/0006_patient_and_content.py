from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0005_sample_study"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="study",
            name="study_content",
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(fields=["content_sha256", "site"], name="study_content"),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(fields=["patient_pseudonym", "site", "-created_at"], name="study_of_patient"),
        ),
    ]
