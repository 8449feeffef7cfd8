"""`manage.py restore FILE`: puts a backup back into the database of DATABASE_URL, and verifies it.

The exchange must be stopped. A database that has tables already is replaced with `--replace` only.
A backup of an older version is migrated. Exit 1 when an invariant does not hold afterwards.
"""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trading.management import backups


class Command(BaseCommand):
    help = "Put a backup back into an empty database, and check every invariant."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="give up what the database holds now"
        )

    def handle(self, *, file: Path, replace: bool, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"there is no file {file}.")
        backups.check(file)
        if not replace and not backups.is_empty():
            raise CommandError("the database has tables already: --replace gives up what it holds.")
        with backups.without_engine():
            backups.put_back(file)
            if unknown := backups.find_unknown_migrations():
                raise CommandError(f"the backup is of a newer predex, which has {unknown[-1]}.")
            call_command("migrate", verbosity=0, interactive=False)
            self.stdout.write("restored; checking every invariant")
            call_command("verify", stdout=self.stdout)
