import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("markets", "0011_disputes_may_cost_a_bond_and_results_are_corrected"),
    ]

    operations = [
        migrations.CreateModel(
            name="StatusOutbox",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "change",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="markets.statuschange",
                        verbose_name="status change",
                    ),
                ),
            ],
            options={
                "verbose_name": "status change to be sent",
                "verbose_name_plural": "status changes to be sent",
            },
        ),
    ]
