from django.db import migrations, models
from django.db.models import Q


def note_suspensions(apps, _):
    accounts = apps.get_model("accounts", "Account").objects
    accounts.filter(~Q(owner__suspended_at=None)).update(owner_suspended=True)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0015_credits_move_between_own_accounts"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="owner_suspended",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="owner suspended"
            ),
        ),
        migrations.RunPython(note_suspensions, migrations.RunPython.noop),
    ]
