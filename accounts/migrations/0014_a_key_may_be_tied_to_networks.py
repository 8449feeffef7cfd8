from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_a_key_may_sign_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="networks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="From where it may be used, in CIDR notation; empty: from everywhere.",
                verbose_name="networks",
            ),
        ),
    ]
