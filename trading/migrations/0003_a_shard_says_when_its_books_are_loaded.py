from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0002_open_orders_by_expiry"),
    ]

    operations = [
        migrations.AddField(
            model_name="lease",
            name="loaded_at_us",
            field=models.BigIntegerField(
                default=0,
                help_text="0 until its books are loaded.",
                verbose_name="loaded at, in microseconds",
            ),
        ),
    ]
