import django.db.models.deletion
from django.db import migrations, models

import kernel.ids
import trading.engine.types

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
    ("stopped", "For operators: a series stopped"),
    ("correcting", "For operators: the correction of a result waits for you"),
]


def forget_added_kind(apps, schema_editor):
    """On the way back: no row may have a kind that is not known then."""
    for name in ("NotificationProgress", "Notification", "NotificationPreference"):
        apps.get_model("trading", name).objects.filter(kind="standing").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_money_may_be_liquidity_of_a_maker"),
        ("markets", "0008_panels_of_judges_decide"),
        ("trading", "0018_an_account_is_settled_once_for_each_number"),
    ]

    operations = [
        migrations.CreateModel(
            name="CancelTimer",
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
                    "kind",
                    models.CharField(
                        choices=[("call", "heartbeat call"), ("socket", "connection")],
                        max_length=6,
                        verbose_name="kind",
                    ),
                ),
                (
                    "cancels_at_us",
                    models.BigIntegerField(verbose_name="cancels at, in microseconds"),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "cancel timer",
                "verbose_name_plural": "cancel timers",
                "indexes": [
                    models.Index(fields=["cancels_at_us"], name="cancel_timers_by_deadline")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "call")),
                        fields=("account",),
                        name="an_account_has_one_cancel_timer_by_call",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderGroup",
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
                ("limit_lots", models.BigIntegerField(verbose_name="limit, in lots")),
                (
                    "created_at_us",
                    models.BigIntegerField(verbose_name="created at, in microseconds"),
                ),
                (
                    "stopped_at_us",
                    models.BigIntegerField(null=True, verbose_name="stopped at, in microseconds"),
                ),
                (
                    "deleted_at_us",
                    models.BigIntegerField(null=True, verbose_name="deleted at, in microseconds"),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "order group",
                "verbose_name_plural": "order groups",
                "indexes": [
                    models.Index(
                        condition=models.Q(("deleted_at_us__isnull", True)),
                        fields=["account", "id"],
                        name="order_groups_of_an_account",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("limit_lots__gt", 0)), name="an_order_group_has_a_limit"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deleted_at_us__isnull", True),
                            ("stopped_at_us__isnull", False),
                            _connector="OR",
                        ),
                        name="a_deleted_order_group_is_stopped",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderGroupFill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("filled_at_us", models.BigIntegerField(verbose_name="filled at, in microseconds")),
                ("lots", models.BigIntegerField(verbose_name="quantity, in lots")),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fills",
                        to="trading.ordergroup",
                        verbose_name="order group",
                    ),
                ),
            ],
            options={
                "verbose_name": "fill of an order group",
                "verbose_name_plural": "fills of order groups",
                "indexes": [
                    models.Index(fields=["group", "filled_at_us"], name="fills_of_an_order_group"),
                    models.Index(fields=["filled_at_us"], name="order_group_fills_by_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="StandingOrder",
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
                ("outcome_index", models.SmallIntegerField(verbose_name="place of the outcome")),
                (
                    "side",
                    models.SmallIntegerField(
                        choices=[(1, "buy"), (-1, "sell")], verbose_name="side"
                    ),
                ),
                ("as_no", models.BooleanField(verbose_name="entered as no")),
                ("price_pips", models.SmallIntegerField(verbose_name="price, in pips")),
                (
                    "quantity_lots",
                    models.BigIntegerField(null=True, verbose_name="quantity, in lots"),
                ),
                (
                    "budget_micros",
                    models.BigIntegerField(null=True, verbose_name="budget of a day, in micros"),
                ),
                ("until", models.DateTimeField(null=True, verbose_name="until")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("stopped_at", models.DateTimeField(null=True, verbose_name="stopped at")),
                ("stop_reason", models.CharField(blank=True, max_length=40, verbose_name="reason")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "market",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="markets.market",
                        verbose_name="market",
                    ),
                ),
            ],
            options={
                "verbose_name": "standing order",
                "verbose_name_plural": "standing orders",
                "indexes": [
                    models.Index(fields=["account", "id"], name="standing_orders_of_an_account"),
                    models.Index(
                        condition=models.Q(("stopped_at__isnull", True)),
                        fields=["id"],
                        name="standing_orders_that_go_on",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("budget_micros__isnull", True), ("quantity_lots__gt", 0)),
                            models.Q(("budget_micros__gt", 0), ("quantity_lots__isnull", True)),
                            _connector="OR",
                        ),
                        name="a_standing_order_has_a_quantity_or_a_budget",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StandingRefill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("order_id", models.UUIDField(verbose_name="order")),
                ("lots", models.BigIntegerField(verbose_name="quantity, in lots")),
                ("is_done", models.BooleanField(default=False, verbose_name="done")),
                (
                    "standing_order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="refills",
                        to="trading.standingorder",
                        verbose_name="standing order",
                    ),
                ),
            ],
            options={
                "verbose_name": "refill of a standing order",
                "verbose_name_plural": "refills of standing orders",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("standing_order", "day"),
                        name="a_standing_order_is_refilled_once_a_day",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="order",
            name="order_group_id",
            field=models.UUIDField(null=True, verbose_name="order group"),
        ),
        migrations.AlterField(
            model_name="notification",
            name="kind",
            field=models.CharField(
                choices=KINDS,
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="notificationpreference",
            name="kind",
            field=models.CharField(
                choices=KINDS,
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="notificationprogress",
            name="kind",
            field=models.CharField(
                choices=KINDS,
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("order_group_id__isnull", False),
                    (
                        "status__in",
                        (
                            trading.engine.types.OrderStatus["OPEN"],
                            trading.engine.types.OrderStatus["PARTIALLY_FILLED"],
                            trading.engine.types.OrderStatus["UNTRIGGERED"],
                        ),
                    ),
                ),
                fields=["order_group_id"],
                name="live_orders_of_a_group",
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_added_kind),
    ]
