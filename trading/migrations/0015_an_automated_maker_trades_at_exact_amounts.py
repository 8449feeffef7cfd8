"""Goes back once makers have traded too, but loses what was not known before.

The amount of a maker's trade becomes price x quantity again, which can differ from what was paid by
less than a pip a lot; what was paid stays in the trade's changes of cash and in the transfers.
The state of makers goes with its column: settle their markets before you go back.
"""

import django.db.models.expressions
from django.db import migrations, models

MAKER = 3


def round_amounts(apps, schema_editor):
    """On the way back: the law of that time allows no other amount."""
    trades = apps.get_model("trading", "Trade").objects.filter(kind=MAKER)
    trades.update(amount_micros=models.F("price_pips") * models.F("quantity_lots"))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_money_may_be_liquidity_of_a_maker"),
        ("markets", "0004_a_market_may_have_an_automated_maker"),
        ("trading", "0014_a_trade_may_be_a_leg_of_a_match_across_outcomes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="trade",
            name="a_trade_amount_is_price_times_quantity",
        ),
        migrations.RunPython(migrations.RunPython.noop, round_amounts),
        migrations.AddField(
            model_name="bookstate",
            name="maker",
            field=models.BinaryField(null=True, verbose_name="automated maker"),
        ),
        migrations.AlterField(
            model_name="trade",
            name="kind",
            field=models.SmallIntegerField(
                choices=[(0, "direct"), (1, "mint"), (2, "merge"), (3, "market maker")],
                verbose_name="kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount_micros",
                        django.db.models.expressions.CombinedExpression(
                            models.F("price_pips"), "*", models.F("quantity_lots")
                        ),
                    ),
                    models.Q(
                        (
                            "amount_micros__gt",
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("price_pips"), "-", models.Value(1)
                                ),
                                "*",
                                models.F("quantity_lots"),
                            ),
                        ),
                        (
                            "amount_micros__lt",
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("price_pips"), "+", models.Value(1)
                                ),
                                "*",
                                models.F("quantity_lots"),
                            ),
                        ),
                        ("kind", 3),
                    ),
                    _connector="OR",
                ),
                name="a_trade_amount_is_price_times_quantity",
            ),
        ),
    ]
