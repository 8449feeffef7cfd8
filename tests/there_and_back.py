"""Takes a migrated database back to nothing and forward again: `python -m tests.there_and_back`.

One process does it all: each would read every app and every migration again. It prints what is
unapplied at the beginning, in between and at the end, and whether a written row could be deleted
without the laws of accounts' second migration, and again with them.
"""

import io
import json

import django
from django.core.management import call_command
from django.db import DatabaseError, connection

django.setup()

from accounts.models import AuditEvent  # noqa: E402

# The admin's log and the e-mail addresses refer to users: they go before accounts.
BACKWARD = ("admin", "account", "mfa", "trading", "markets")


def main() -> None:
    before = list_unapplied()
    for app in BACKWARD:
        call_command("migrate", app, "zero", verbosity=0)
    call_command("migrate", "accounts", "0001", verbosity=0)
    deleted = [can_delete_a_written_row()]
    call_command("migrate", "accounts", "zero", verbosity=0)
    between = list_unapplied()
    call_command("migrate", verbosity=0)
    deleted.append(can_delete_a_written_row())
    call_command("check", stdout=io.StringIO())
    print(json.dumps({"unapplied": [before, between, list_unapplied()], "deleted": deleted}))


def list_unapplied() -> list[str]:
    shown = io.StringIO()
    call_command("showmigrations", no_color=True, stdout=shown)
    lines = (line.strip() for line in shown.getvalue().splitlines())
    return [line for line in lines if line.startswith("[ ]")]


def can_delete_a_written_row() -> bool:
    AuditEvent.objects.create(action="x", subject_type="x", subject_id="x")
    with connection.cursor() as cursor:
        try:
            cursor.execute("DELETE FROM accounts_auditevent")
        except DatabaseError:
            return False
        return True


if __name__ == "__main__":
    main()
