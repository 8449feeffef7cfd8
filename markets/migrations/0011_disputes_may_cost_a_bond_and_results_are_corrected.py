import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_bonds_of_disputes_and_corrections_move_money"),
        ("markets", "0010_outcomes_may_be_withdrawn_and_fees_be_lower_for_a_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Correction",
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
                (
                    "number",
                    models.PositiveSmallIntegerField(verbose_name="number of the settlement"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Needs a second person"),
                            ("holding", "Holding what is owed"),
                            ("waiting", "Debtors lack funds"),
                            ("collecting", "Collecting"),
                            ("paying", "Paying"),
                            ("done", "Done"),
                            ("releasing", "Releasing what was held"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="proposed",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "before_pips",
                    models.JSONField(blank=True, null=True, verbose_name="payout before, in pips"),
                ),
                (
                    "before_number",
                    models.CharField(blank=True, max_length=60, verbose_name="number before"),
                ),
                (
                    "observed_number",
                    models.CharField(
                        blank=True, max_length=60, verbose_name="number that was observed"
                    ),
                ),
                (
                    "payout_pips",
                    models.JSONField(blank=True, null=True, verbose_name="payout, in pips"),
                ),
                ("evidence_text", models.TextField(blank=True, verbose_name="evidence")),
                (
                    "evidence_url",
                    models.URLField(
                        blank=True, max_length=500, verbose_name="address of the evidence"
                    ),
                ),
                (
                    "proposed_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="proposed at"
                    ),
                ),
                (
                    "approved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="approved at"),
                ),
                (
                    "house_cover_micros",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="What an operator confirmed that the house pays for debtors.",
                        verbose_name="house cover, in micros",
                    ),
                ),
                ("last_margin_id", models.BigIntegerField(default=0, verbose_name="last margin")),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished at"),
                ),
                (
                    "withdrawn_reason",
                    models.CharField(
                        blank=True, max_length=500, verbose_name="reason for withdrawing"
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "market",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="markets.market",
                        verbose_name="market",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="proposed by",
                    ),
                ),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="withdrawn by",
                    ),
                ),
            ],
            options={
                "verbose_name": "correction",
                "verbose_name_plural": "corrections",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("market", "number"), name="a_market_numbers_each_settlement_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("done", "withdrawn")), _negated=True),
                        fields=("market",),
                        name="one_correction_of_a_market_runs_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            models.Q(("approved_by", models.F("proposed_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="a_correction_is_approved_by_a_second_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", False), ("state__in", ("done", "withdrawn"))
                            ),
                            models.Q(
                                models.Q(("state__in", ("done", "withdrawn")), _negated=True),
                                ("finished_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="a_correction_is_finished_at_a_time",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="dispute",
            name="bond_account",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.account",
                verbose_name="account of the bond",
            ),
        ),
        migrations.AddField(
            model_name="dispute",
            name="bond_micros",
            field=models.PositiveBigIntegerField(default=0, verbose_name="bond, in micros"),
        ),
        migrations.AddField(
            model_name="market",
            name="dispute_bond_micros",
            field=models.PositiveBigIntegerField(
                default=0,
                help_text="Held from who disputes a result; lost if the dispute is dismissed.",
                verbose_name="bond of a dispute, in micros",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("bond_account__isnull", True), ("bond_micros", 0)),
                    models.Q(("bond_account__isnull", False), ("bond_micros__gt", 0)),
                    _connector="OR",
                ),
                name="a_bond_is_an_account_s",
            ),
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(("dispute_bond_micros__range", (0, 1000000000000000))),
                name="a_dispute_bond_is_at_most_a_billion_credits",
            ),
        ),
    ]
