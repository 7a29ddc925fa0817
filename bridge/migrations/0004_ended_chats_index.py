"""An index for the questions about ended chats.

Not built concurrently: ended chats are pruned, so there are seldom more of them than
take a second, during which writers wait and go on; and a concurrent build that breaks
off leaves an index behind that somebody has to drop. Code of before the index runs on.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge", "0003_session_event"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)),
                fields=["ended_at"],
                name="ended_chats_by_their_end",
            ),
        ),
    ]
