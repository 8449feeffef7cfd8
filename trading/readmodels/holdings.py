"""Accounts' holdings in markets that are not paid out yet, and their value.

Per market: s_j lots bought less sold of outcome j, collateral c, so h_j = s_j + c contracts owned.
Position d_j = s_j - t with t = 0 clamped into [min s, max s]: complete sets are flat. Locked
collateral is D x (c + t). The value is that plus the sum of d_j x mark_j: complete sets are worth 1
at any marks. It is unknown while an outcome with h_j > 0 has no mark.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from accounts.registry import Valuation
from trading.engine.margin import compute_position_lots, new_account
from trading.engine.types import PAYOUT_PIPS
from trading.feed.reads import read_cards
from trading.models import Margin, OutcomeStats, Position
from trading.pipeline.instruments import Instrument
from trading.readmodels.marks import Mark, compute_mark
from trading.readmodels.queries import read_quotes

LIVE_MARKETS_MAX: Final = 20
"""The maximum number of markets whose books are read when the statistics lack a price."""
UNKNOWN: Final = Mark(None, None, is_wide=True)


class Holding(NamedTuple):
    """An account's holding in a market. Lists are by book: a binary market has one, for YES."""

    market_id: int
    instrument: Instrument
    margin: Margin
    net_lots: list[int]
    cost_micros: list[int]
    realised_micros: list[int]
    marks: list[Mark]

    @property
    def position_lots(self) -> list[int]:
        state = new_account(self.margin.account_id, len(self.net_lots))
        state.net_lots[:] = self.net_lots
        return [
            compute_position_lots(state, outcome, binary=self.instrument.binary)
            for outcome in range(len(self.net_lots))
        ]

    @property
    def locked_micros(self) -> int:
        flat_lots = self.net_lots[0] - self.position_lots[0]
        return PAYOUT_PIPS * (self.margin.collateral_lots + flat_lots)

    @property
    def value_micros(self) -> int | None:
        owned = [lots + self.margin.collateral_lots for lots in self.net_lots]
        if self.instrument.binary:
            owned = [owned[0] or self.margin.collateral_lots]
        half_pips = [mark.half_pips for mark in self.marks]
        if any(lots and worth is None for lots, worth in zip(owned, half_pips, strict=True)):
            return None
        return value_sets(self.locked_micros, self.position_lots, half_pips)

    @property
    def unrealised_micros(self) -> int | None:
        """The gain from closing at the marks."""
        return sum_known(self.unrealised_of(outcome) for outcome in range(len(self.net_lots)))

    @property
    def profit_micros(self) -> int | None:
        """The profit in this market at the marks: realised and unrealised, after all fees."""
        value_micros = self.value_micros
        return None if value_micros is None else value_micros - self.margin.net_paid_micros

    def paid_of(self, outcome: int) -> int | None:
        """The cost of the position in an outcome, with its share of all fees, by contracts.

        None if contracts are against the outcome only because all others were bought.
        """
        lots, net_lots = self.position_lots[outcome], self.net_lots[outcome]
        if lots * net_lots <= 0:
            return None
        cost_micros = self.cost_micros[outcome] + max(0, PAYOUT_PIPS * -net_lots)
        all_lots = sum(abs(lots) for lots in self.position_lots)
        return cost_micros * lots // net_lots + self.margin.fees_micros * abs(lots) // all_lots

    def unrealised_of(self, outcome: int) -> int | None:
        lots, mark = self.net_lots[outcome], self.marks[outcome]
        if not lots:
            return 0
        worth = value_half_pips(lots, mark.half_pips)
        return None if worth is None else worth - self.cost_micros[outcome]


def value_sets(
    sets_micros: int, position_lots: Sequence[int], half_pips: Sequence[int | None]
) -> int:
    """Return the value of complete sets and positions in micros, rounded down, at least 0."""
    parts = zip(position_lots, half_pips, strict=True)
    return max(0, (2 * sets_micros + sum(lots * (worth or 0) for lots, worth in parts)) // 2)


def value_half_pips(lots: int, half_pips: int | None) -> int | None:
    """Return the value in micros, rounded down."""
    return None if half_pips is None else lots * half_pips // 2


def list_margins(account_id: int) -> QuerySet[Margin]:
    """Return the account's margins in markets with a position, also one held at the payout."""
    positions = Position.objects.filter(account=account_id, market=OuterRef("market"))
    return Margin.objects.filter(Exists(positions.exclude(net_lots=0)), account=account_id)


def list_open_holdings(account_id: int) -> list[Holding]:
    """Return the account's holdings in markets that are not paid out yet."""
    margins = list(list_margins(account_id).filter(payout_micros=None))
    return list_holdings(margins, read_cards({margin.market_id for margin in margins}))


def list_holdings(
    margins: Collection[Margin], instruments: Mapping[int, Instrument]
) -> list[Holding]:
    """Return the holdings of one account's margins, in the same order, in few queries."""
    market_ids = [margin.market_id for margin in margins]
    if not market_ids:
        return []
    account_id = next(iter(margins)).account_id
    positions = _read_positions(account_id, market_ids)
    marks = read_marks(market_ids)
    holdings = [
        _build(margin, instruments[margin.market_id], positions, marks) for margin in margins
    ]
    unknown = [index for index, row in enumerate(holdings) if row.value_micros is None]
    for index in unknown[:LIVE_MARKETS_MAX]:
        holdings[index] = holdings[index]._replace(
            marks=_read_live_marks(holdings[index].instrument)
        )
    return holdings


def read_marks(market_ids: Collection[int]) -> dict[tuple[int, int], Mark]:
    """Return marks by (market, book), from the statistics, which lag the book slightly."""
    rows = OutcomeStats.objects.filter(market_id__in=market_ids).values_list(
        "market_id", "outcome_index", "bid_pips", "ask_pips", "last_pips"
    )
    return {(market_id, outcome): compute_mark(*prices) for market_id, outcome, *prices in rows}


def _read_live_marks(instrument: Instrument) -> list[Mark]:
    _, _, quotes = read_quotes(instrument)
    return [compute_mark(*quote) for quote in quotes]


def value_positions(account_id: int) -> Valuation:
    """Registered with `accounts` (see `accounts.registry`)."""
    return value_holdings(list_open_holdings(account_id))


def value_holdings(holdings: Sequence[Holding]) -> Valuation:
    return Valuation(
        sum(holding.locked_micros for holding in holdings),
        sum_known(holding.value_micros for holding in holdings),
    )


def _read_positions(
    account_id: int, market_ids: Collection[int]
) -> dict[tuple[int, int], Position]:
    rows = Position.objects.filter(account_id=account_id, market_id__in=market_ids)
    return {(row.market_id, row.outcome_index): row for row in rows}


def _build(
    margin: Margin,
    instrument: Instrument,
    positions: Mapping[tuple[int, int], Position],
    marks: Mapping[tuple[int, int], Mark],
) -> Holding:
    keys = [(margin.market_id, outcome) for outcome in range(instrument.book_count)]
    rows = [positions.get(key) for key in keys]
    return Holding(
        margin.market_id,
        instrument,
        margin,
        [row.net_lots if row else 0 for row in rows],
        [row.cost_micros if row else 0 for row in rows],
        [row.realised_micros if row else 0 for row in rows],
        [marks.get(key, UNKNOWN) for key in keys],
    )


def sum_known(parts: Iterable[int | None]) -> int | None:
    """Return the sum, or None if any part is unknown."""
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total
