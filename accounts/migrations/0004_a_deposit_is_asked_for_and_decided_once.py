"""Requests for deposits, and cancelled requests of either kind."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_a_user_chooses_what_others_see"),
    ]

    operations = [
        migrations.AlterField(
            model_name="withdrawalrequest",
            name="status",
            field=models.CharField(
                choices=[
                    ("requested", "Requested"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("cancelled", "Cancelled"),
                ],
                default="requested",
                max_length=9,
                verbose_name="status",
            ),
        ),
        migrations.CreateModel(
            name="DepositRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("amount_micros", models.BigIntegerField(verbose_name="amount, in micros")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="requested",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="requested at"
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided at")),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deposits",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
            ],
            options={
                "verbose_name": "deposit request",
                "verbose_name_plural": "deposit requests",
                "permissions": [("decide_deposits", "approve and reject requests for deposits")],
                "indexes": [models.Index(fields=["account", "id"], name="deposits_of_an_account")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_micros__gt", 0)),
                        name="a_deposit_asks_for_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", True),
                                ("decided_by__isnull", True),
                                ("status", "requested"),
                            ),
                            models.Q(
                                models.Q(("status", "requested"), _negated=True),
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="a_decided_deposit_says_who_and_when",
                    ),
                ],
            },
        ),
    ]
