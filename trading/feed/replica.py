"""A replica of one market, updated by publications. Pure.

Two states in one. *Published* is what frames have sent: `levels`, `tops`, `lasts`, `tape` at
`published_seq`; snapshots are made of it. *Pending* is what publications have added since, up to
`seq`. `publish` makes what is pending published and returns the difference, so that any number of
commits make one frame: snapshot(published_seq) + frame == snapshot(seq).

Totals are absolute, so folding keeps the last of each price. A publication fits only if it starts
at the replica's `seq`; one that does not means something was lost, and a new image is needed.
"""

from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from trading.pipeline.messages import DepthLevel, Fill, MarketChange, Sides, Top

TAPE_SHOWN_MAX: Final = 50
"""Trades in a snapshot of the tape."""
TAPE_READ_MAX: Final = 500
"""Latest trades in an image: a gap with more of them cannot be sent trade by trade."""

Lots = tuple[int, int]
"""Bid and ask totals of a price; at least one of them is 0."""
NOTHING: Final[Lots] = (0, 0)


class TapeTrade(NamedTuple):
    trade_id: str
    seq: int
    ts_us: int
    outcome: int
    taker_side: int
    price_pips: int
    quantity_lots: int
    match_id: str


class Image(NamedTuple):
    """A market's state in the database at `seq`.

    `levels` is None where only best prices were read. `tape` is the latest trades, oldest first.
    """

    seq: int
    ts_us: int
    levels: list[DepthLevel] | None
    tops: list[Top]
    lasts: dict[int, int]
    tape: list[TapeTrade]


class LevelChange(NamedTuple):
    """A price whose totals changed; None for the side that did not."""

    outcome: int
    price_pips: int
    bid_lots: int | None
    ask_lots: int | None


class Published(NamedTuple):
    """What was published: the difference between the market at `prev_seq` and at `seq`."""

    prev_seq: int
    seq: int
    ts_us: int
    levels: list[LevelChange]
    outcomes: list[int]
    """Outcomes whose best prices, sizes or last price changed."""
    trades: list[TapeTrade]


class Fit(Enum):
    NEXT = "applied"
    OLD = "known already"
    GAP = "something before it is missing"


class BookReplica:
    def __init__(self) -> None:
        self.is_loaded = False
        self.seq = 0
        self.ts_us = 0
        self.published_seq = 0
        self.published_ts_us = 0
        self.levels: dict[int, dict[int, Lots]] | None = None
        """By outcome, then price; None while the whole book is not watched."""
        self.tops: dict[int, Top] = {}
        self.lasts: dict[int, int] = {}
        self.tape: deque[TapeTrade] = deque(maxlen=TAPE_SHOWN_MAX)
        self._pending_levels: dict[tuple[int, int], Lots] = {}
        self._pending_tops: dict[int, Top] = {}
        self._pending_lasts: dict[int, int] = {}
        self._pending_trades: list[TapeTrade] = []

    def load(self, image: Image) -> bool:
        """Replace the state by an image. Return whether the difference can be sent as a frame.

        Otherwise (a first image, one from before what was shown, or more trades missed than an
        image has) the image is shown at once and watchers need snapshots.
        """
        if not self.is_loaded or image.seq < self.published_seq or self._misses_trades(image):
            self._restart(image)
            return False
        if image.levels is not None:
            self._pending_levels = self._difference(image.levels)
        self._pending_tops = {top.outcome: top for top in image.tops}
        for outcome in self.tops.keys() - self._pending_tops.keys():
            self._pending_tops[outcome] = Top(outcome)
        self._pending_lasts = dict(image.lasts)
        self._pending_trades += [trade for trade in image.tape if trade.seq > self.seq]
        self.seq, self.ts_us = image.seq, image.ts_us
        return True

    def apply(self, change: MarketChange) -> Fit:
        """Apply one commit, if it follows the last one."""
        if change.seq <= self.seq:
            return Fit.OLD
        if change.prev_seq != self.seq:
            return Fit.GAP
        for level in change.levels:
            key = level.outcome, level.price_pips
            self._pending_levels[key] = (level.bid_lots, level.ask_lots)
        for top in change.tops:
            self._pending_tops[top.outcome] = top
        for fill in change.fills:
            self._pending_lasts[fill.trade.outcome] = fill.trade.price_pips
            self._pending_trades.append(tape_trade(fill, change.ts_us))
        self.seq, self.ts_us = change.seq, change.ts_us
        return Fit.NEXT

    def publish(self) -> Published | None:
        """Publish what is pending and return it; None if nothing is."""
        if self.seq == self.published_seq:
            return None
        shown = Published(
            self.published_seq,
            self.seq,
            self.ts_us,
            self._show_levels(),
            self._show_tops(),
            self._pending_trades,
        )
        self.tape.extend(self._pending_trades)
        self.published_seq, self.published_ts_us = self.seq, self.ts_us
        self._pending_trades = []
        return shown

    def show_since(self, seq: int, keys: Iterable[tuple[int, int]]) -> Published:
        """Return the difference from `seq` to the published state, from the prices that changed."""
        levels = self.levels or {}
        changes = [
            LevelChange(outcome, price_pips, *levels.get(outcome, {}).get(price_pips, NOTHING))
            for outcome, price_pips in keys
        ]
        return Published(seq, self.published_seq, self.published_ts_us, changes, [], [])

    def _restart(self, image: Image) -> None:
        self.is_loaded = True
        self.seq = self.published_seq = image.seq
        self.ts_us = self.published_ts_us = image.ts_us
        self.levels = None if image.levels is None else _by_outcome(image.levels)
        self.tops = {top.outcome: top for top in image.tops}
        self.lasts = dict(image.lasts)
        self.tape.clear()
        self.tape.extend(image.tape)
        self._pending_levels, self._pending_tops, self._pending_lasts = {}, {}, {}
        self._pending_trades = []

    def _misses_trades(self, image: Image) -> bool:
        return len(image.tape) >= TAPE_READ_MAX and image.tape[0].seq > self.seq

    def _difference(self, levels: list[DepthLevel]) -> dict[tuple[int, int], Lots]:
        """Return the pending changes that lead to `levels`, including removed prices."""
        if self.levels is None:
            # Nobody watched the book, so no frame is needed.
            self.levels = _by_outcome(levels)
            return {}
        ahead = {
            (outcome, price_pips): NOTHING
            for outcome, prices in self.levels.items()
            for price_pips in prices
        }
        for level in levels:
            ahead[level.outcome, level.price_pips] = (level.bid_lots, level.ask_lots)
        return ahead

    def _show_levels(self) -> list[LevelChange]:
        ahead, self._pending_levels = self._pending_levels, {}
        if self.levels is None:
            return []
        changes = []
        for (outcome, price_pips), (bid_lots, ask_lots) in ahead.items():
            prices = self.levels.setdefault(outcome, {})
            old_bid_lots, old_ask_lots = prices.get(price_pips, NOTHING)
            if bid_lots == old_bid_lots and ask_lots == old_ask_lots:
                continue
            changes.append(
                LevelChange(
                    outcome,
                    price_pips,
                    None if bid_lots == old_bid_lots else bid_lots,
                    None if ask_lots == old_ask_lots else ask_lots,
                )
            )
            if bid_lots or ask_lots:
                prices[price_pips] = (bid_lots, ask_lots)
            else:
                del prices[price_pips]
        return changes

    def _show_tops(self) -> list[int]:
        changed = {
            outcome
            for outcome, top in self._pending_tops.items()
            if self.tops.get(outcome, Top(outcome)) != top
        }
        changed |= {
            outcome
            for outcome, price_pips in self._pending_lasts.items()
            if self.lasts.get(outcome) != price_pips
        }
        self.tops.update(self._pending_tops)
        self.lasts.update(self._pending_lasts)
        self._pending_tops, self._pending_lasts = {}, {}
        return sorted(changed)


def tape_trade(fill: Fill, ts_us: int) -> TapeTrade:
    trade = fill.trade
    return TapeTrade(
        fill.trade_id,
        seq_of_trade(fill.trade_id),
        ts_us,
        trade.outcome,
        trade.taker_side,
        trade.price_pips,
        trade.quantity_lots,
        fill.match_id,
    )


def seq_of_trade(trade_id: str) -> int:
    """Return the sequence number inside a trade's id (see trading.engine.trade_ids)."""
    number = int(trade_id, 16)
    return ((number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1) >> 40


def find_tops(levels: Iterable[DepthLevel], ladders: Iterable[Sides] = ()) -> list[Top]:
    """Return the best prices of the outcomes that have orders or a maker (`ladders` by outcome)."""
    tops: dict[int, Top] = {}
    for level in levels:
        top = tops.setdefault(level.outcome, Top(level.outcome))
        if level.bid_lots and (top.bid_pips is None or level.price_pips > top.bid_pips):
            top.bid_pips, top.bid_lots = level.price_pips, level.bid_lots
        if level.ask_lots and (top.ask_pips is None or level.price_pips < top.ask_pips):
            top.ask_pips, top.ask_lots = level.price_pips, level.ask_lots
    for outcome, (bids, asks) in enumerate(ladders):
        top = tops.setdefault(outcome, Top(outcome))
        top.maker_bid_pips = bids[0][0] if bids else None
        top.maker_ask_pips = asks[0][0] if asks else None
    return list(tops.values())


def _by_outcome(levels: Iterable[DepthLevel]) -> dict[int, dict[int, Lots]]:
    books: dict[int, dict[int, Lots]] = {}
    for level in levels:
        books.setdefault(level.outcome, {})[level.price_pips] = (level.bid_lots, level.ask_lots)
    return books
