"""Makes the database itself refuse to change or delete a transfer or an audit event."""

from django.db import migrations

TABLES = ("accounts_transfer", "accounts_auditevent")


def forward_sql(vendor: str) -> list[str]:
    """Return the statements that create the triggers on "postgresql" or "sqlite"."""
    if vendor == "postgresql":
        return [
            _POSTGRESQL_FUNCTION,
            *(_POSTGRESQL_TRIGGER.format(table=table) for table in TABLES),
        ]
    return [
        _SQLITE_TRIGGER.format(table=table, event=event)
        for table in TABLES
        for event in ("update", "delete")
    ]


def backward_sql(vendor: str) -> list[str]:
    """Return the statements that drop what `forward_sql` created."""
    if vendor == "postgresql":
        drops = [f"DROP TRIGGER {table}_is_append_only ON {table}" for table in TABLES]
        return [*drops, "DROP FUNCTION refuse_change_of_append_only_row()"]
    return [
        f"DROP TRIGGER {table}_refuses_{event}"
        for table in TABLES
        for event in ("update", "delete")
    ]


def forward(apps, schema_editor):
    _execute(schema_editor, forward_sql(schema_editor.connection.vendor))


def backward(apps, schema_editor):
    _execute(schema_editor, backward_sql(schema_editor.connection.vendor))


def _execute(schema_editor, statements):
    for statement in statements:
        schema_editor.execute(statement, params=None)  # a % in it is not a placeholder


_POSTGRESQL_FUNCTION = """
CREATE FUNCTION refuse_change_of_append_only_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""
_POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_append_only_row()
"""
_SQLITE_TRIGGER = """
CREATE TRIGGER {table}_refuses_{event} BEFORE {event} ON {table}
BEGIN
    SELECT RAISE(ABORT, 'rows of {table} are append-only');
END
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(forward, backward)]
