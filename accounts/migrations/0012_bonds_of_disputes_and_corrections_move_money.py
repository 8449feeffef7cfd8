from django.db import migrations, models


def find_markets(apps, schema_editor):
    """Name the market of each account of bonds again, as its transfers do."""
    transfers = apps.get_model("accounts", "Transfer").objects.filter(kind="bond")
    for account in apps.get_model("accounts", "Account").objects.filter(kind="bonds"):
        first = transfers.filter(credit_account=account.pk).first()
        account.market_id = None if first is None else first.market_id
        account.save(update_fields=["market_id"])


def forget_markets(apps, schema_editor):
    """On the way back: an account of a kind that is not known then has no market."""
    apps.get_model("accounts", "Account").objects.filter(kind="bonds").update(market_id=None)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_money_may_be_liquidity_of_a_maker"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="account",
            name="only_market_accounts_have_a_market",
        ),
        migrations.AlterField(
            model_name="account",
            name="kind",
            field=models.CharField(
                choices=[
                    ("user", "User"),
                    ("system", "System"),
                    ("house", "House"),
                    ("maker", "Maker"),
                    ("escrow", "Escrow"),
                    ("fees", "Fees"),
                    ("bonds", "Bonds"),
                    ("issuer", "Issuer"),
                ],
                default="user",
                max_length=6,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="kind",
            field=models.CharField(
                choices=[
                    ("grant", "Grant"),
                    ("deposit", "Deposit"),
                    ("withdrawal", "Withdrawal"),
                    ("trade", "Trade"),
                    ("fee", "Fee"),
                    ("settlement", "Settlement"),
                    ("void", "Void"),
                    ("fee_refund", "Fee refund"),
                    ("fee_income", "Fee income"),
                    ("house_cover", "House cover"),
                    ("liquidity", "Liquidity"),
                    ("bond", "Bond"),
                    ("bond_return", "Bond returned"),
                    ("bond_loss", "Bond lost"),
                    ("correction", "Correction"),
                ],
                max_length=12,
                verbose_name="kind",
            ),
        ),
        migrations.RunPython(find_markets, forget_markets, elidable=False),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ["escrow", "fees", "maker", "bonds"]),
                        ("market_id__isnull", False),
                    ),
                    models.Q(
                        models.Q(("kind__in", ["escrow", "fees", "maker", "bonds"]), _negated=True),
                        ("market_id__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="only_market_accounts_have_a_market",
            ),
        ),
    ]
