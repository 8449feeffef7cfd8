"""`manage.py verify [SLUG...]`: checks all invariants and prints a table; exit 1 on a breach.

It may run while the exchange does: each check reads one snapshot. With slugs only these markets'
journals are replayed; the SQL checks always read everything. It writes nothing but its report of a
run over all markets, for the operators' dashboard.
"""

import sys
import time
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from trading.management.base import MigratedCommand
from trading.management.slugs import find_market_ids
from trading.verify import Finding, check_everything, keep_report

WIDTH = 66


class Command(MigratedCommand):
    help = "Check every invariant of the exchange; exit 1 on any breach."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="replay only these markets")

    def handle(self, *, slugs: list[str], **options: Any) -> None:
        started = time.monotonic()
        started_at = timezone.now()
        findings = check_everything(find_market_ids(slugs) if slugs else None)
        if not slugs:
            keep_report(findings, started_at=started_at)
        self.stdout.write(f"{'':2} {'invariant':{WIDTH}} {'checked':>10} {'breaches':>9}")
        for finding in findings:
            self._show(finding)
        breaches = sum(finding.breaches for finding in findings)
        seconds = time.monotonic() - started
        self.stdout.write(f"{breaches} breaches, {seconds:.1f} s")
        if breaches:
            sys.exit(1)

    def _show(self, finding: Finding) -> None:
        self.stdout.write(
            f"{finding.invariant}. {finding.what:{WIDTH}} {finding.checked:>10,}"
            f" {finding.breaches:>9,}"
        )
        for example in finding.examples:
            self.stdout.write(f"     {example}")
