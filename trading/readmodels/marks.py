"""The mark price of an outcome, if it is known.

The midpoint of best bid and best ask; while their spread exceeds `WIDE_PIPS`, or one is missing,
the last price instead; without that, None: 0.5 is never invented. In half pips, so that every
midpoint is exact.
"""

from typing import Final, NamedTuple

from trading.engine.types import PAYOUT_PIPS

WIDE_PIPS: Final = 1_000
HALF_PIPS_PER_CONTRACT: Final = 2 * PAYOUT_PIPS


class Mark(NamedTuple):
    """`source` is "mid" or "last"; both fields are None if there is no mark."""

    half_pips: int | None
    source: str | None
    is_wide: bool


def compute_mark(bid_pips: int | None, ask_pips: int | None, last_pips: int | None) -> Mark:
    is_wide = bid_pips is None or ask_pips is None or ask_pips - bid_pips > WIDE_PIPS
    if not is_wide:
        assert bid_pips is not None
        assert ask_pips is not None
        return Mark(bid_pips + ask_pips, "mid", is_wide)
    if last_pips is not None:
        return Mark(2 * last_pips, "last", is_wide)
    return Mark(None, None, is_wide)
