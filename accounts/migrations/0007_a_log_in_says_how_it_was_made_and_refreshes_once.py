from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_what_waits_and_who_did_what_is_found_by_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="used_second_factor",
            field=models.BooleanField(default=False, verbose_name="with the second factor"),
        ),
        migrations.AddField(
            model_name="loginsession",
            name="refreshes",
            field=models.PositiveIntegerField(default=0, verbose_name="refreshes"),
        ),
    ]
