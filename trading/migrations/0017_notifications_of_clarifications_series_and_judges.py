from django.db import migrations, models

KINDS = [
    ("fill", "A resting order of yours was filled"),
    ("expired", "An order of yours expired"),
    ("closing", "A market in which you hold contracts closes soon"),
    ("resolved", "A market in which you held contracts was resolved"),
    ("voided", "A market in which you traded was voided"),
    ("decided", "Operators decided on a market that you proposed"),
    ("result", "A result was proposed for a market in which you hold contracts"),
    ("clarified", "The rules of a market in which you have a stake were clarified"),
    (
        "close_time",
        "The close time of a market in which you have a stake was moved",
    ),
    ("verdict", "Operators decided on a dispute of yours"),
    ("money", "Operators credited your account or decided on a request of yours"),
    ("proposal", "For operators: a market is waiting for approval"),
    ("dispute", "For operators: a result is disputed"),
    ("judge", "A market waits for your verdict as a judge"),
    ("unresolved", "A market waits for you to decide its result"),
    ("stopped", "For operators: a series stopped"),
]
ADDED = ("clarified", "close_time", "stopped", "unresolved", "judge")


def forget_added_kinds(apps, schema_editor):
    """On the way back: no row may have a kind that is not known then."""
    for name in ("NotificationProgress", "Notification", "NotificationPreference"):
        apps.get_model("trading", name).objects.filter(kind__in=ADDED).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("markets", "0008_panels_of_judges_decide"),
        ("trading", "0016_orders_wait_for_their_triggers"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="notificationprogress",
            name="a_market_s_holders_are_told_once",
        ),
        migrations.AddField(
            model_name="notificationprogress",
            name="subject",
            field=models.CharField(blank=True, max_length=32, verbose_name="subject"),
        ),
        migrations.AlterField(
            model_name="notification",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=10, verbose_name="kind"),
        ),
        migrations.AlterField(
            model_name="notificationpreference",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=10, verbose_name="kind"),
        ),
        migrations.AlterField(
            model_name="notificationprogress",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=10, verbose_name="kind"),
        ),
        migrations.AddConstraint(
            model_name="notificationprogress",
            constraint=models.UniqueConstraint(
                fields=("market", "kind", "subject"), name="a_market_s_holders_are_told_once"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_added_kinds),
    ]
