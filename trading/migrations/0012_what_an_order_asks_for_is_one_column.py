from django.db import migrations, models

PACK = {
    "postgresql": """
        UPDATE trading_order SET options = json_strip_nulls(json_build_object(
            'is_market', CASE WHEN is_market THEN true END,
            'budget_micros', budget_micros,
            'post_only', CASE WHEN post_only THEN true END,
            'reduce_only', CASE WHEN reduce_only THEN true END,
            'expires_at_us', expires_at_us))::text
        WHERE is_market OR post_only OR reduce_only OR expires_at_us IS NOT NULL
    """,
    "sqlite": """
        UPDATE trading_order SET options = json_patch('{}', json_object(
            'is_market', CASE WHEN is_market THEN json('true') END,
            'budget_micros', budget_micros,
            'post_only', CASE WHEN post_only THEN json('true') END,
            'reduce_only', CASE WHEN reduce_only THEN json('true') END,
            'expires_at_us', expires_at_us))
        WHERE is_market OR post_only OR reduce_only OR expires_at_us IS NOT NULL
    """,
}
UNPACK = {
    "postgresql": """
        UPDATE trading_order SET
            is_market = COALESCE((options::json->>'is_market')::boolean, false),
            budget_micros = (options::json->>'budget_micros')::bigint,
            post_only = COALESCE((options::json->>'post_only')::boolean, false),
            reduce_only = COALESCE((options::json->>'reduce_only')::boolean, false)
    """,
    "sqlite": """
        UPDATE trading_order SET
            is_market = COALESCE(json_extract(options, '$.is_market'), 0),
            budget_micros = json_extract(options, '$.budget_micros'),
            post_only = COALESCE(json_extract(options, '$.post_only'), 0),
            reduce_only = COALESCE(json_extract(options, '$.reduce_only'), 0)
    """,
}


def pack(apps, schema_editor):
    schema_editor.execute(PACK[schema_editor.connection.vendor])


def unpack(apps, schema_editor):
    schema_editor.execute(UNPACK[schema_editor.connection.vendor])


class Migration(migrations.Migration):
    dependencies = [("trading", "0011_notifications_tell_of_verdicts_and_of_money")]

    operations = [
        migrations.AddField(
            "order", "options", models.TextField(null=True, verbose_name="options")
        ),
        # Nullable for the way back, on which they are there before they are filled.
        migrations.AlterField("order", "is_market", models.BooleanField(null=True)),
        migrations.AlterField("order", "post_only", models.BooleanField(null=True)),
        migrations.AlterField("order", "reduce_only", models.BooleanField(null=True)),
        migrations.RunPython(pack, unpack),
        migrations.RemoveField("order", "is_market"),
        migrations.RemoveField("order", "post_only"),
        migrations.RemoveField("order", "reduce_only"),
        migrations.RemoveField("order", "budget_micros"),
    ]
