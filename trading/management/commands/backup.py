"""`manage.py backup FOLDER`: a copy of the database, made while the exchange runs.

Its name has the time; `--keep` removes the oldest ones. With `--journal` only what traders did
since the last copy is appended to the file beside it: cheap, to be run every minute. Put both back
with `manage.py restore`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from trading.management import backups, journal_tail
from trading.management.base import MigratedCommand

NAME = "predex-%Y%m%dT%H%M%SZ"


class Command(MigratedCommand):
    help = "Write a copy of the database to a folder, while the exchange runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--keep", type=int, help="keep so many of the newest copies there")
        parser.add_argument(
            "--journal", action="store_true", help="no copy: continue the last one's journal"
        )

    def handle(self, *, folder: Path, keep: int | None, journal: bool, **options: Any) -> None:
        if keep is not None and keep < 1:
            raise CommandError("--keep is at least 1.")
        try:
            path = self._continue(folder) if journal else self._copy(folder)
        except OSError as fault:
            raise CommandError(f"{fault.filename or folder}: {fault.strerror}.") from None
        self.stdout.write(str(path))
        for suffix in (backups.find_suffix(), journal_tail.SUFFIX) if keep is not None else ():
            for old in sorted(folder.glob(f"predex-*{suffix}"))[: -(keep or 1)]:
                old.unlink()

    def _continue(self, folder: Path) -> Path:
        path = journal_tail.find_newest(folder)
        journal_tail.extend(path)
        return path

    def _copy(self, folder: Path) -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / datetime.now(UTC).strftime(f"{NAME}{backups.find_suffix()}")
        tail = path.with_suffix(journal_tail.SUFFIX)
        journal_tail.begin(tail)  # before the copy, so that nothing is between them
        try:
            backups.write(path)
        except BaseException:
            tail.unlink()
            raise
        return path
