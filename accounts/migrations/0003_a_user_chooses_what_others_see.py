"""Users may opt out of profile and leaderboards; showing positions is opt-in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_transfers_and_audit_events_are_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="on_leaderboards",
            field=models.BooleanField(
                default=True, help_text="Is named on leaderboards.", verbose_name="on leaderboards"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="public_profile",
            field=models.BooleanField(
                default=True,
                help_text="Others may look at the profile and the track record.",
                verbose_name="public profile",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="shares_positions",
            field=models.BooleanField(
                default=False,
                help_text="The profile shows what is held now.",
                verbose_name="shares positions",
            ),
        ),
    ]
