"""`manage.py rebuild [SLUG...]`: rebuilds candles and statistics from the journal.

Prints each stored row that differed and corrects it; exit 1 if any did.
"""

import sys
from typing import Any

from django.core.management.base import CommandParser

from trading.management.base import MigratedCommand
from trading.management.slugs import find_market_ids
from trading.models import BookState
from trading.readmodels import equity
from trading.readmodels.projections import rebuild_market

SHOWN_MAX = 10


class Command(MigratedCommand):
    help = "Make derived tables again from the journal; exit 1 if the stored ones differed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="default: every market")

    def handle(self, *, slugs: list[str], **options: Any) -> None:
        market_ids = find_market_ids(slugs)
        traded = set(BookState.objects.values_list("market_id", flat=True))
        count = 0
        for market_id in market_ids:
            if market_id in traded:
                count += self._rebuild(market_id)
        if not slugs:
            count += self._rebuild_equity()
        self.stdout.write(f"{count} rows differed")
        if count:
            sys.exit(1)

    def _rebuild(self, market_id: int) -> int:
        differences = rebuild_market(market_id)
        for difference in differences[:SHOWN_MAX]:
            self.stdout.write(
                f"market {market_id}, {difference.what}:"
                f" {difference.stored} instead of {difference.derived}"
            )
        return len(differences)

    def _rebuild_equity(self) -> int:
        count = 0
        for day in equity.list_recorded_days():
            differing = equity.rebuild_day(day)
            count += differing
            if differing:
                self.stdout.write(f"equity of {day}: {differing} rows differed")
        return count
