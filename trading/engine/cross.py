"""Matching across the books of a categorical market: one taker against all other outcomes at once.

One contract of each outcome is a complete set, which is worth a payout. So outcome k can also be
bought by *minting*: where all others have bids, sets are created, the bidders get their outcomes
at their own prices, and the taker gets k for the difference, the implied ask

    pay-out - sum over j != k of the best bid of j (0 where nobody bids)

and selling k by *merging*: the best asks of all others and k make sets that are redeemed, so the
implied bid is pay-out - sum over j != k of the best ask of j. Makers trade at their own prices and
keep their place in line; the taker has the whole surplus; of an outcome that nobody bids for the
house keeps the contracts. A match takes the first order of each book, all legs or none.

After every command, of books that are matched with one another, the best bids together are below a
pay-out and the best asks above: what is left in the books can't be matched without risk.
"""

from collections.abc import Mapping
from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.events import CrossMatched, Traded
from trading.engine.margin import AccountState, add_fill, copy_account
from trading.engine.state import MarketState
from trading.engine.types import BUY, PAYOUT_PIPS, TradeKind

HOUSE_ORDER_ID: Final = ""
"""The house has no orders: it is on the other side of each leg."""


def list_makers(market: MarketState, order: EngineOrder) -> list[EngineOrder]:
    """Return the makers of a match across books, by outcome; none for a missing bid."""
    makers = []
    for outcome, book in enumerate(market.books):
        maker = None if outcome == order.outcome else book.front(order.side)
        if maker is not None:
            makers.append(maker)
    return makers


def trade_across(
    market: MarketState,
    index: int,
    order: EngineOrder,
    makers: list[EngineOrder],
    price_pips: int,
    lots: int,
    fee_micros: int,
) -> None:
    """Emit the match. The taker's leg comes first, with `index`, `fee_micros` and the price."""
    rules, side, config = market.rules, order.side, market.config
    assert config is not None
    assert config.house_account_id is not None
    kind = TradeKind.MINT if side == BUY else TradeKind.MERGE
    accounts, compute_fee = _find_accounts(market, [order, *makers]), rules.compute_maker_fee
    trades: list[Traded] = []
    for party in (order, *makers):
        is_taker = party is order
        if not is_taker:
            price_pips = party.price_pips
            fee_micros = compute_fee(party, price_pips, lots) if rules.has_fees else 0
        cash_micros = _compute_cash(market, accounts, party, price_pips, lots)
        house_micros = side * price_pips * lots
        # Sets are paid for with the first leg, or redeemed with the last: the house pays nothing.
        if side == BUY and is_taker:
            house_micros -= PAYOUT_PIPS * lots
        elif side != BUY and party is makers[-1]:
            house_micros += PAYOUT_PIPS * lots
        ids, account_ids = (
            (party.order_id, HOUSE_ORDER_ID),
            (party.account_id, config.house_account_id),
        )
        numbers = (cash_micros, house_micros, fee_micros, 0)
        if not is_taker:
            ids, account_ids = ids[::-1], account_ids[::-1]
            numbers = (house_micros, cash_micros, 0, fee_micros)
        taker_side = side if is_taker else -side
        trades.append(
            Traded(
                index + len(trades), party.outcome, taker_side, price_pips, lots, kind,
                *ids, *account_ids, *numbers,
            )
        )  # fmt: skip
    market.emit(CrossMatched(kind, lots, tuple(trades)))


def _find_accounts(market: MarketState, orders: list[EngineOrder]) -> Mapping[int, AccountState]:
    """Return the accounts for computing legs: copies where one account has several of them."""
    account_ids = {order.account_id for order in orders}
    if len(account_ids) == len(orders):
        return market.accounts
    return {key: copy_account(market.account(key)) for key in account_ids}


def _compute_cash(
    market: MarketState,
    accounts: Mapping[int, AccountState],
    order: EngineOrder,
    price_pips: int,
    lots: int,
) -> int:
    """Return the change of an account's cash by a leg, after the legs before it."""
    account, signed_lots = accounts[order.account_id], order.side * lots
    sets_lots = market.rules.compute_sets(account, order.outcome, signed_lots)
    cash_micros = -price_pips * signed_lots - PAYOUT_PIPS * sets_lots
    if accounts is not market.accounts:
        add_fill(account, order.outcome, signed_lots, price_pips * signed_lots, cash_micros, 0)
    return cash_micros
