from typing import Any

from django.db import migrations, models


def forget_old_permissions(apps: Any, _schema_editor: Any) -> None:
    """Permissions have their model's name: those of the new names are created after migrating."""
    apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="trading",
        codename__regex="^(add|change|delete|view)_(notice|notificationchoice)$",
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("trading", "0012_what_an_order_asks_for_is_one_column"),
    ]

    operations = [
        migrations.RenameModel("NotificationChoice", "NotificationPreference"),
        migrations.RenameModel("Notice", "NotificationProgress"),
        migrations.RenameField("NotificationProgress", "told_margin_id", "last_margin_id"),
        migrations.AlterModelOptions(
            name="notificationpreference",
            options={
                "verbose_name": "notification preference",
                "verbose_name_plural": "notification preferences",
            },
        ),
        migrations.AlterModelOptions(
            name="notificationprogress",
            options={
                "verbose_name": "progress of a notification",
                "verbose_name_plural": "progress of notifications",
            },
        ),
        migrations.AlterField(
            model_name="notificationprogress",
            name="last_margin_id",
            field=models.BigIntegerField(default=0, verbose_name="last margin"),
        ),
        migrations.RunPython(forget_old_permissions, migrations.RunPython.noop),
    ]
