"""`manage.py replay [SLUG...]`: replays journals and compares the state with the database's.

Prints a line per market with both hashes; exit 1 where they differ or a hash chain is broken.
"""

import sys
from typing import Any

from django.core.management.base import CommandParser

from trading.management.base import MigratedCommand
from trading.management.slugs import find_market_ids
from trading.pipeline.journal import JournalError
from trading.pipeline.loading import load_engine
from trading.pipeline.replay import compare_with_live, replay
from trading.pipeline.snapshot import consistent_read


class Command(MigratedCommand):
    help = "Replay the journals of markets and compare with the live state; exit 1 if they differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="default: every market")

    def handle(self, *, slugs: list[str], **options: Any) -> None:
        market_ids = find_market_ids(slugs)
        equal = [self._replay(market_id) for market_id in market_ids]
        self.stdout.write(f"{sum(equal)} of {len(equal)} markets replay to their live state")
        if not all(equal):
            sys.exit(1)

    def _replay(self, market_id: int) -> bool:
        try:
            with consistent_read():
                replayed = replay(market_id)
                live = load_engine(market_id)
                differences = compare_with_live(replayed, live)
        except JournalError as fault:
            self.stdout.write(f"market {market_id}: {fault}")
            return False
        self.stdout.write(
            f"market {market_id}: {replayed.commands} commands ({replayed.folded} folded),"
            f" replay {replayed.engine.state_hash()[:16]}, live {live.state_hash()[:16]}"
        )
        for difference in differences:
            self.stdout.write(f"  {difference}")
        return not differences
