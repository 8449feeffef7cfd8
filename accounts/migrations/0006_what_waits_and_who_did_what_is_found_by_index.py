from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_a_deleted_user_leaves_only_an_opaque_name"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["action", "id"], name="audit_events_of_an_action"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("request_id", ""), _negated=True),
                fields=["request_id"],
                name="audit_events_of_a_request",
            ),
        ),
        migrations.AddIndex(
            model_name="depositrequest",
            index=models.Index(
                condition=models.Q(("status", "requested")),
                fields=["requested_at"],
                name="deposits_that_wait",
            ),
        ),
        migrations.AddIndex(
            model_name="withdrawalrequest",
            index=models.Index(
                condition=models.Q(("status", "requested")),
                fields=["requested_at"],
                name="withdrawals_that_wait",
            ),
        ),
    ]
