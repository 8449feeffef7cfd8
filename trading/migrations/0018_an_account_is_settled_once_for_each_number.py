import django.db.models.deletion
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
    ("close_time", "The close time of a market in which you have a stake was moved"),
    ("verdict", "Operators decided on a dispute of yours"),
    ("corrected", "The result of a market in which you traded was corrected"),
    ("money", "Operators credited your account or decided on a request of yours"),
    ("proposal", "For operators: a market is waiting for approval"),
    ("dispute", "For operators: a result is disputed"),
    ("judge", "A market waits for your verdict as a judge"),
    ("unresolved", "A market waits for you to decide its result"),
    ("stopped", "For operators: a series stopped"),
    ("correcting", "For operators: the correction of a result waits for you"),
]
ADDED = ("corrected", "correcting")


def forget_added_kinds(apps, schema_editor):
    """On the way back: no row may have a kind that is not known then."""
    for name in ("NotificationProgress", "Notification", "NotificationPreference"):
        apps.get_model("trading", name).objects.filter(kind__in=ADDED).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_bonds_of_disputes_and_corrections_move_money"),
        ("markets", "0011_disputes_may_cost_a_bond_and_results_are_corrected"),
        ("trading", "0017_notifications_of_clarifications_series_and_judges"),
    ]

    operations = [
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
            name="Settlement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "number",
                    models.PositiveSmallIntegerField(verbose_name="number of the settlement"),
                ),
                (
                    "difference_micros",
                    models.BigIntegerField(verbose_name="difference of the payout, in micros"),
                ),
                (
                    "liquidity_micros",
                    models.BigIntegerField(
                        default=0,
                        help_text="The share of an account that funded the automated market maker.",
                        verbose_name="difference of the maker's rest, in micros",
                    ),
                ),
                ("held_micros", models.BigIntegerField(default=0, verbose_name="held, in micros")),
                (
                    "lacking_micros",
                    models.BigIntegerField(
                        default=0,
                        help_text="What a debtor could not hold; the house pays it if an operator confirms.",
                        verbose_name="lacking, in micros",
                    ),
                ),
                ("moved_at", models.DateTimeField(null=True, verbose_name="moved at")),
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
                "verbose_name": "settlement of an account",
                "verbose_name_plural": "settlements of accounts",
                "indexes": [
                    models.Index(
                        condition=models.Q(("moved_at__isnull", True)),
                        fields=["market", "number", "id"],
                        name="settlements_to_be_moved",
                    ),
                    models.Index(fields=["account", "market"], name="settlements_of_an_account"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("market", "number", "account"),
                        name="an_account_is_settled_once_for_each_number",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("held_micros__gte", 0), ("lacking_micros__gte", 0)),
                        name="a_settlement_holds_and_lacks_no_less_than_nothing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("moved_at__isnull", True), ("held_micros", 0), _connector="OR"
                        ),
                        name="what_was_moved_is_held_no_more",
                    ),
                ],
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_added_kinds),
    ]
