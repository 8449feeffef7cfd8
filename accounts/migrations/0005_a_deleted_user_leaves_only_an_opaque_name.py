"""Deleted users: time of deletion, and their handles, which cannot be taken again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_a_deposit_is_asked_for_and_decided_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="RetiredHandle",
            fields=[
                (
                    "digest",
                    models.CharField(
                        max_length=64, primary_key=True, serialize=False, verbose_name="digest"
                    ),
                ),
            ],
            options={"verbose_name": "retired handle", "verbose_name_plural": "retired handles"},
        ),
        migrations.AddField(
            model_name="user",
            name="bio",
            field=models.CharField(
                blank=True,
                help_text="A few words, plain text.",
                max_length=300,
                verbose_name="about the user",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="deleted at"),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("deleted_at__isnull", True),
                    models.Q(
                        ("bio", ""),
                        ("display_name", ""),
                        ("handle__startswith", "deleted_"),
                        ("is_active", False),
                    ),
                    _connector="OR",
                ),
                name="a_deleted_user_has_no_name_and_no_way_in",
            ),
        ),
    ]
