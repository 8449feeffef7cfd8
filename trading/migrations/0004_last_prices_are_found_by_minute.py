from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_a_shard_says_when_its_books_are_loaded"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="candle",
            index=models.Index(
                condition=models.Q(("close_pips__isnull", False)),
                fields=["market", "outcome_index", "minute"],
                name="candles_with_a_trade",
            ),
        ),
    ]
