from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="answered_at",
            field=models.DateTimeField(null=True),
        ),
    ]
