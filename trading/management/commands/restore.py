"""`manage.py restore FILE`: puts a backup back into the database of DATABASE_URL, and verifies it.

The exchange must be stopped. A database that has tables already is replaced with `--replace` only.
A backup of an older version is migrated. With `--journal` what traders did after it is repeated,
up to `--until`. Exit 1 when an invariant does not hold afterwards, or a market could not be
brought up to the journal's end.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from trading.management import backups, journal_tail
from trading.pipeline.recovery import Recovered, recover


class Command(BaseCommand):
    help = "Put a backup back into an empty database, and check every invariant."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="give up what the database holds now"
        )
        parser.add_argument(
            "--journal", type=Path, nargs="+", default=[], help="the journals beside the backup"
        )
        parser.add_argument(
            "--until", type=read_time, help="repeat no later commands: 2027-01-31T14:30:00Z"
        )

    def handle(
        self, *, file: Path, replace: bool, journal: list[Path], until: datetime | None,
        **options: Any,
    ) -> None:  # fmt: skip
        if until is not None and not journal:
            raise CommandError("--until is about the journals: name them with --journal.")
        for path in (file, *journal):
            if not path.is_file():
                raise CommandError(f"there is no file {path}.")
        backups.check(file)
        if not replace and not backups.is_empty():
            raise CommandError("the database has tables already: --replace gives up what it holds.")
        with backups.without_engine():
            backups.put_back(file)
            if unknown := backups.find_unknown_migrations():
                raise CommandError(f"the backup is of a newer predex, which has {unknown[-1]}.")
            call_command("migrate", verbosity=0, interactive=False)
            repeated = self._repeat(journal, until) if journal else Recovered(0, {}, {})
            self.stdout.write("restored; checking every invariant")
            call_command("verify", stdout=self.stdout)
        if repeated.stopped:
            sys.exit(1)

    def _repeat(self, journal: list[Path], until: datetime | None) -> Recovered:
        until_us = None if until is None else int(until.timestamp() * 1_000_000)
        repeated = recover(journal_tail.read_rows(journal), until_us=until_us)
        receipts = journal_tail.restore_receipts(journal, repeated.seqs)
        self.stdout.write(f"repeated {repeated.commands} commands, put back {receipts} answers")
        for sentence in repeated.stopped.values():
            self.stdout.write(sentence)
        return repeated


def read_time(text: str) -> datetime:
    time = parse_datetime(text)
    if time is None or is_naive(time):
        raise ValueError(f"{text!r} is no time with a zone")
    return time
