"""`manage.py backup FOLDER`: a copy of the database, made while the exchange runs.

Its name has the time; `--keep` removes the oldest ones. Put it back with `manage.py restore`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.management import backups
from trading.management.base import MigratedCommand

NAME = "predex-%Y%m%dT%H%M%SZ"


class Command(MigratedCommand):
    help = "Write a copy of the database to a folder, while the exchange runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--keep", type=int, help="keep so many of the newest copies there")

    def handle(self, *, folder: Path, keep: int | None, **options: Any) -> None:
        if keep is not None and keep < 1:
            raise CommandError("--keep is at least 1.")
        suffix = backups.find_suffix()
        path = folder / f"{datetime.now(UTC).strftime(NAME)}{suffix}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            backups.write(path)
        except OSError as fault:
            raise CommandError(f"{fault.filename or folder}: {fault.strerror}.") from None
        self.stdout.write(str(path))
        if keep is not None:
            for old in sorted(folder.glob(f"predex-*{suffix}"))[:-keep]:
                old.unlink()
