"""Matching across the books of a categorical market: one taker against all other outcomes at once.

One contract of each outcome is a complete set, which is worth a pay-out. So buying outcome k is
also to be had by *minting*: where all others are bid for, sets are created, the bidders get their
outcomes at their own prices, and the taker gets k for what is missing, the implied ask

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
from trading.engine.margin import AccountState, add_fill, copy_account
from trading.engine.state import MarketState
from trading.engine.types import BUY, PAYOUT_PIPS, CrossMatched, Traded, TradeKind

HOUSE_ORDER_ID: Final = ""
"""The house has no orders: it is on the other side of each leg."""


def list_makers(market: MarketState, order: EngineOrder) -> list[EngineOrder]:
    """Return the orders that a match across books takes, by outcome; none for a missing bid."""
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
    """Emit the match. The taker's leg is the first, with `index`, `fee_micros` and the price."""
    rules, side = market.rules, order.side
    kind = TradeKind.MINT if side == BUY else TradeKind.MERGE
    accounts = _find_accounts(market, [order, *makers])
    assert market.config is not None
    assert market.config.house_account_id is not None
    house_id = market.config.house_account_id
    cash_micros = _compute_cash(market, accounts, order, price_pips, lots)
    trades = [
        Traded(
            index, order.outcome, side, price_pips, lots, kind,
            order.order_id, HOUSE_ORDER_ID, order.account_id, house_id,
            cash_micros, 0, fee_micros, 0,
        )
    ]  # fmt: skip
    compute_fee, has_fees = rules.compute_fee, rules.has_fees
    for maker in makers:
        index += 1
        price_pips = maker.price_pips
        cash_micros = _compute_cash(market, accounts, maker, price_pips, lots)
        maker_fee_micros = compute_fee(maker, price_pips, lots, False) if has_fees else 0
        trades.append(
            Traded(
                index, maker.outcome, -side, price_pips, lots, kind,
                HOUSE_ORDER_ID, maker.order_id, house_id, maker.account_id,
                0, cash_micros, 0, maker_fee_micros,
            )
        )  # fmt: skip
    market.emit(CrossMatched(kind, lots, tuple(trades)))


def _find_accounts(market: MarketState, orders: list[EngineOrder]) -> Mapping[int, AccountState]:
    """Return the accounts to compute legs by: copies where one account has several of them."""
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
    """Return what a leg changes its account's cash by, after the legs before it."""
    account, signed_lots = accounts[order.account_id], order.side * lots
    sets_lots = market.rules.compute_sets(account, order.outcome, signed_lots)
    cash_micros = -price_pips * signed_lots - PAYOUT_PIPS * sets_lots
    if accounts is not market.accounts:
        add_fill(account, order.outcome, signed_lots, price_pips, cash_micros, 0)
    return cash_micros
