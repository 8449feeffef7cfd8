"""A day has one row of activity; and the databases refuse to change or delete a kept check."""

from django.db import migrations, models

TABLE = "trading_verifyrun"


def forward(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        _execute(
            schema_editor,
            f"CREATE TRIGGER {TABLE}_is_append_only BEFORE UPDATE OR DELETE ON {TABLE}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_append_only_row()",
        )
        return
    for event in ("update", "delete"):
        _execute(
            schema_editor,
            f"CREATE TRIGGER {TABLE}_refuses_{event} BEFORE {event} ON {TABLE}"
            f" BEGIN SELECT RAISE(ABORT, 'rows of {TABLE} are append-only'); END",
        )


def backward(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, f"DROP TRIGGER {TABLE}_is_append_only ON {TABLE}")
        return
    for event in ("update", "delete"):
        _execute(schema_editor, f"DROP TRIGGER {TABLE}_refuses_{event}")


def _execute(schema_editor, statement):
    schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_transfers_and_audit_events_are_append_only"),
        ("trading", "0005_equities_are_found_by_day"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExchangeDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(unique=True, verbose_name="day")),
                ("volume_lots", models.BigIntegerField(default=0, verbose_name="volume, in lots")),
                (
                    "volume_micros",
                    models.BigIntegerField(default=0, verbose_name="volume, in micros"),
                ),
                ("trades", models.BigIntegerField(default=0, verbose_name="trades")),
                ("traders", models.IntegerField(default=0, verbose_name="traders")),
                ("counted_at", models.DateTimeField(verbose_name="counted at")),
            ],
            options={"verbose_name": "day", "verbose_name_plural": "days"},
        ),
        migrations.AlterModelOptions(
            name="verifyrun",
            options={
                "verbose_name": "check of all invariants",
                "verbose_name_plural": "checks of all invariants",
            },
        ),
        migrations.RunPython(forward, backward),
    ]
