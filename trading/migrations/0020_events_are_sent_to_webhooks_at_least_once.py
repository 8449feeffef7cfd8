import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import kernel.ids

KINDS = [
    ("fill", "A resting order of yours was filled"),
    ("expired", "An order of yours expired"),
    ("closing", "A market in which you hold contracts closes soon"),
    ("resolved", "A market in which you held contracts was resolved"),
    ("voided", "A market in which you traded was voided"),
    ("decided", "Operators decided on a market that you proposed"),
    ("result", "A result was proposed for a market in which you hold contracts"),
    ("clarified", "The rules of a market in which you have a stake were clarified"),
    ("close_time", "The close time of a market in which you have a stake was moved"),
    ("verdict", "Operators decided on a dispute of yours"),
    ("corrected", "The result of a market in which you traded was corrected"),
    ("money", "Operators credited your account or decided on a request of yours"),
    ("proposal", "For operators: a market is waiting for approval"),
    ("dispute", "For operators: a result is disputed"),
    ("judge", "A market waits for your verdict as a judge"),
    ("unresolved", "A market waits for you to decide its result"),
    ("standing", "A standing order of yours ended"),
    ("webhook", "A webhook of yours was switched off"),
    ("stopped", "For operators: a series stopped"),
    ("correcting", "For operators: the correction of a result waits for you"),
]


def forget_added_kind(apps, schema_editor):
    """On the way back: no row may have a kind that is not known then."""
    for name in ("NotificationProgress", "Notification", "NotificationPreference"):
        apps.get_model("trading", name).objects.filter(kind="webhook").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("markets", "0012_changes_of_status_wait_to_be_sent"),
        ("trading", "0019_order_groups_cancel_timers_and_standing_orders"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, forget_added_kind),
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
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("url", models.CharField(max_length=500, verbose_name="address")),
                ("events", models.JSONField(default=list, verbose_name="events")),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts that failed since the last that did not.",
                        verbose_name="failures",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "switched_off_at",
                    models.DateTimeField(null=True, verbose_name="switched off at"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook",
                "verbose_name_plural": "webhooks",
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("fill", "A fill of an order of yours"),
                            ("order_ended", "The end of an order of yours"),
                            ("market_status", "A new status of a market"),
                            ("settlement", "A settlement of a market in which you traded"),
                            ("ping", "A test"),
                        ],
                        max_length=13,
                        verbose_name="event",
                    ),
                ),
                ("body", models.TextField(verbose_name="body")),
                (
                    "state",
                    models.SmallIntegerField(
                        choices=[(0, "due"), (1, "delivered"), (2, "failed")],
                        default=0,
                        verbose_name="state",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                (
                    "next_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="next attempt at"
                    ),
                ),
                ("last_at", models.DateTimeField(null=True, verbose_name="last attempt at")),
                (
                    "last_status",
                    models.PositiveSmallIntegerField(null=True, verbose_name="last status"),
                ),
                (
                    "last_error",
                    models.CharField(blank=True, max_length=200, verbose_name="last error"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="trading.webhook",
                        verbose_name="webhook",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery to a webhook",
                "verbose_name_plural": "deliveries to webhooks",
                "indexes": [
                    models.Index(fields=["webhook", "id"], name="deliveries_to_a_webhook"),
                    models.Index(
                        condition=models.Q(("state", 0)),
                        fields=["next_at"],
                        name="deliveries_that_are_due",
                    ),
                ],
            },
        ),
    ]
