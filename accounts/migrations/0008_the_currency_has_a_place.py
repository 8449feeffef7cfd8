from django.db import migrations, models

OLD_SYMBOL, NEW_SYMBOL = "¤", "cr"


def keep_what_was_chosen(apps, schema_editor):
    """A symbol that an operator chose keeps its place; the old default, which many fonts render
    like a broken glyph, is replaced by the new one."""
    policies = apps.get_model("accounts", "Policy").objects.using(schema_editor.connection.alias)
    policies.exclude(currency_symbol=OLD_SYMBOL).update(currency_place="before")
    policies.filter(currency_symbol=OLD_SYMBOL).update(currency_symbol=NEW_SYMBOL)


def return_to_the_old_default(apps, schema_editor):
    policies = apps.get_model("accounts", "Policy").objects.using(schema_editor.connection.alias)
    policies.filter(currency_symbol=NEW_SYMBOL).update(currency_symbol=OLD_SYMBOL)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_a_log_in_says_how_it_was_made_and_refreshes_once")]

    operations = [
        migrations.AddField(
            "policy",
            "currency_place",
            models.CharField(
                choices=[
                    ("before", "Before the amount: $5"),
                    ("before_spaced", "Before the amount, with a space: $ 5"),
                    ("after", "After the amount: 5$"),
                    ("after_spaced", "After the amount, with a space: 5 $"),
                ],
                default="after_spaced",
                max_length=13,
                verbose_name="currency symbol's place",
            ),
        ),
        migrations.AlterField(
            "policy",
            "currency_symbol",
            models.CharField(default="cr", max_length=8, verbose_name="currency's symbol"),
        ),
        migrations.RunPython(keep_what_was_chosen, return_to_the_old_default),
    ]
