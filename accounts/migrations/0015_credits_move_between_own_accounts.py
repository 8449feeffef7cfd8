from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_a_key_may_be_tied_to_networks"),
    ]

    operations = [
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
                    ("internal", "Between own accounts"),
                ],
                max_length=12,
                verbose_name="kind",
            ),
        ),
    ]
