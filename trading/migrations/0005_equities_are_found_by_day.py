from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0004_last_prices_are_found_by_minute"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="dailyequity",
            index=models.Index(fields=["day", "account"], name="equities_of_a_day"),
        ),
    ]
