"""API representation of an account's own orders, fills and holdings."""

from collections.abc import Sequence

from accounts.models import Account
from kernel.units import format_amount, format_quantity
from trading.models import Order
from trading.pipeline.instruments import Instrument
from trading.pipeline.order_rows import read_order
from trading.readmodels.holdings import Holding, sum_known, value_holdings
from trading.wire import schema
from trading.wire.render import show_average, show_order

MICROS_PER_HALF_PIP = 50
"""Of a contract's price."""


def show_row(row: Order, instrument: Instrument) -> schema.OrderState:
    return show_order(
        read_order(row, row.id.hex),
        instrument,
        seq=row.updated_seq,
        updated_at_us=row.updated_at_us,
    )


def show_holding(holding: Holding) -> schema.MarketPosition:
    margin = holding.margin
    is_paid = margin.payout_micros is not None
    return schema.MarketPosition(
        market=holding.instrument.slug,
        held=format_amount(margin.held_micros),
        locked_collateral=format_amount(0 if is_paid else holding.locked_micros),
        value=None if is_paid else show_amount(holding.value_micros),
        unrealised_profit=None if is_paid else show_amount(holding.unrealised_micros),
        fees=format_amount(margin.fees_micros),
        net_paid=format_amount(margin.net_paid_micros),
        payout=show_amount(margin.payout_micros),
        outcomes=[
            _show_outcome(holding, outcome)
            for outcome, lots in enumerate(holding.net_lots)
            if lots or holding.realised_micros[outcome]
        ],
    )


def _show_outcome(holding: Holding, outcome: int) -> schema.OutcomePosition:
    net_lots, cost_micros = holding.net_lots[outcome], holding.cost_micros[outcome]
    mark = holding.marks[outcome]
    return schema.OutcomePosition(
        outcome=holding.instrument.codes[outcome],
        position=format_quantity(holding.position_lots[outcome]),
        average_price=show_average(abs(cost_micros), abs(net_lots)),
        cost=format_amount(cost_micros),
        realised_profit=format_amount(holding.realised_micros[outcome]),
        unrealised_profit=show_amount(holding.unrealised_of(outcome)),
        price=show_half_pips(mark.half_pips),
        price_source=mark.source,
    )


def show_portfolio(
    account: Account, holdings: Sequence[Holding], open_orders: int
) -> schema.Portfolio:
    valuation = value_holdings(holdings)
    worth_micros = valuation.positions_micros
    unrealised_micros = sum_known(holding.unrealised_micros for holding in holdings)
    return schema.Portfolio(
        currency=account.currency,
        cash=format_amount(account.cash_micros),
        held=format_amount(account.held_micros),
        withdrawing=format_amount(account.withdrawing_micros),
        available=format_amount(account.available_micros),
        locked_collateral=format_amount(valuation.locked_collateral_micros),
        positions_value=show_amount(worth_micros),
        equity=None if worth_micros is None else format_amount(account.cash_micros + worth_micros),
        unrealised_profit=show_amount(unrealised_micros),
        open_orders=open_orders,
        markets=len(holdings),
    )


def show_amount(amount_micros: int | None) -> str | None:
    return None if amount_micros is None else format_amount(amount_micros)


def show_half_pips(half_pips: int | None) -> str | None:
    """Return a price of half pips with 6 decimals."""
    return None if half_pips is None else format_amount(half_pips * MICROS_PER_HALF_PIP)
