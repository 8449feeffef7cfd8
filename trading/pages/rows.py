"""Rows of an account's positions, orders, fills, settlements and transfers, for pages and exports.

Rows name the outcome as its owner sees it: a position or order on NO is of NO, with NO's prices; NO
of one of several outcomes only on pages, as exports follow the API. All fields are integers of
units, which the callers format.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Transfer
from accounts.queries import read_reasons
from markets.models import Market, Outcome
from trading.contracts import Contract, get_outcome, name_contract, name_opposite
from trading.engine.types import BUY, PAYOUT_PIPS, OrderOptions, OrderStatus, TriggerKind
from trading.feed.missed import AccountFill
from trading.models import OPEN_STATUSES, Margin, Order
from trading.pages.numbers import write_lots
from trading.pages.ticket import Ticket, write_link
from trading.pages.words import PAYOUT_MICROS, describe_end, mirror_micros
from trading.pipeline.order_rows import decode_options
from trading.readmodels.holdings import Holding
from trading.readmodels.marks import HALF_PIPS_PER_CONTRACT
from trading.wire.options import mirror_pips
from trading.wire.render import PIP_IN_AVERAGE, SIDE_NAMES

MICROS_PER_HALF_PIP = 50
"""Of a contract's price."""


def read_markets(market_ids: Collection[int]) -> dict[int, Market]:
    """Return markets with their outcomes, in two queries."""
    markets = Market.objects.filter(pk__in=set(market_ids)).prefetch_related("outcomes")
    return {market.pk: market for market in markets}


def find_contract(market: Market, order: Order) -> Contract:
    """Return the contract for which an order was entered."""
    outcome = get_outcome(market, order.outcome_index, as_no=order.as_no)
    return name_contract(market, outcome.code, is_mirrored=order.as_no)


def compute_average_micros(micros: int, lots: int) -> int:
    """Return the average price of a contract, rounded half up."""
    return (2 * micros * PIP_IN_AVERAGE + lots) // (2 * lots) if lots else 0


# --- positions -----------------------------------------------------------------------------------


class PositionLine(NamedTuple):
    """A position in one outcome; below 0 contracts were sold without being owned.

    `cost_micros` is the cost of its contracts (below 0: proceeds), profit their value minus that.
    `price_micros` is a contract's current value. `sold` is the contract that was sold, under its
    owner's name for it, if the position arose from a sale; else None.
    """

    key: str
    outcome: Outcome
    contract: Contract
    is_no: bool
    position_lots: int
    average_micros: int
    cost_micros: int
    price_micros: int | None
    profit_micros: int | None
    sold: Contract | None = None

    @property
    def shown_lots(self) -> int:
        return abs(self.position_lots)

    @property
    def shown_average_micros(self) -> int:
        return mirror_micros(self.average_micros, self.contract)

    @property
    def close_link(self) -> str:
        """Return the link to a ticket on the market's page that sells all of it."""
        ticket = Ticket(
            outcome=self.contract.code,
            client_order_id="",
            answer="no" if self.contract.is_mirrored else "yes",
            side="sell",
            type="market",
            amount=write_lots(self.shown_lots),
            reduce_only=True,
        )
        return write_link(ticket)

    @property
    def shown_price_micros(self) -> int | None:
        return (
            None if self.price_micros is None else mirror_micros(self.price_micros, self.contract)
        )


class PositionRow(NamedTuple):
    """A market with a position.

    Its value is at the marks; `sold_micros` is the liquidation value, None if it can't be sold or
    was not requested. Profits are of the whole market: realised and unrealised, after all fees.
    """

    market: Market
    holding: Holding
    lines: list[PositionLine]
    sold_micros: int | None = None

    @property
    def value_micros(self) -> int | None:
        return self.holding.value_micros

    @property
    def profit_micros(self) -> int | None:
        return self.holding.profit_micros

    @property
    def sold_profit_micros(self) -> int | None:
        if self.sold_micros is None:
            return None
        return self.sold_micros - self.holding.margin.net_paid_micros

    @property
    def realised_micros(self) -> int:
        return sum(self.holding.realised_micros)


def build_position(
    holding: Holding,
    market: Market,
    sold_micros: int | None = None,
    sales: Collection[tuple[int, int]] = (),
) -> PositionRow:
    """`sales` are the books, by (market, outcome), in which the position arose from a sale."""
    lines = [
        _build_line(holding, market, outcome, lots, is_sale=(market.pk, outcome) in sales)
        for outcome, lots in enumerate(holding.position_lots)
        if lots
    ]
    return PositionRow(market, holding, lines, sold_micros)


def find_sales(holdings: Collection[Holding]) -> set[tuple[int, int]]:
    """Return the books in which the position arose from a sale of its opposite, in one query.

    The latest order that traded towards the position determines how it was entered.
    """
    if not holdings:
        return set()
    account_id = next(iter(holdings)).margin.account_id
    positions = {holding.market_id: holding.position_lots for holding in holdings}
    traded = Order.objects.filter(
        account=account_id,
        market__in=positions,
        filled_lots__gt=0,
    ).values("market", "outcome_index", "side", "as_no")
    latest = {
        (market_id, outcome, side): as_no
        for market_id, outcome, side, as_no, _time in traded.annotate(time=Max("created_at_us"))
        .order_by("time")
        .values_list("market", "outcome_index", "side", "as_no", "time")
    }
    return {
        (market_id, outcome)
        for (market_id, outcome, side), as_no in latest.items()
        if positions[market_id][outcome] * side > 0 and (side == BUY) == as_no
    }


def _build_line(
    holding: Holding, market: Market, index: int, position_lots: int, *, is_sale: bool
) -> PositionLine:
    net_lots, cost_micros = holding.net_lots[index], holding.cost_micros[index]
    half_pips = holding.marks[index].half_pips
    average_micros = compute_average_micros(abs(cost_micros), abs(net_lots))
    is_no = position_lots < 0
    owns_no = holding.instrument.binary and is_no
    if owns_no:
        average_micros = PAYOUT_MICROS - average_micros
        cost_micros += PAYOUT_PIPS * -net_lots
        half_pips = None if half_pips is None else HALF_PIPS_PER_CONTRACT - half_pips
        position_lots = -position_lots
    outcome = get_outcome(market, index, as_no=owns_no)
    contract = name_contract(market, outcome.code, is_mirrored=is_no)
    return PositionLine(
        f"{market.slug}-{index}",
        outcome,
        contract,
        is_no,
        position_lots,
        average_micros,
        cost_micros,
        None if half_pips is None else half_pips * MICROS_PER_HALF_PIP,
        holding.unrealised_of(index),
        name_opposite(market, contract) if is_sale else None,
    )


# --- orders and fills ----------------------------------------------------------------------------


class OrderRow(NamedTuple):
    """`as_no`: shown as an order for NO."""

    order: Order
    market: Market
    as_no: bool

    @property
    def outcome(self) -> Outcome:
        return get_outcome(self.market, self.order.outcome_index, as_no=self.as_no)

    @property
    def contract(self) -> Contract:
        return find_contract(self.market, self.order)

    @property
    def side(self) -> str:
        return SIDE_NAMES[-self.order.side if self.as_no else self.order.side]

    @property
    def price_pips(self) -> int | None:
        return mirror_pips(self.order.price_pips or None, as_no=self.as_no)

    @property
    def average_micros(self) -> int | None:
        if not self.order.filled_lots:
            return None
        average = compute_average_micros(self.order.filled_micros, self.order.filled_lots)
        return PAYOUT_MICROS - average if self.as_no else average

    @property
    def asked(self) -> OrderOptions:
        return decode_options(self.order.options) or OrderOptions()

    @property
    def trigger_pips(self) -> int | None:
        """The price that it waits for."""
        return mirror_pips(self.order.trigger_pips, as_no=self.as_no)

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its trigger, and has not been reached."""
        return self.order.status == OrderStatus.UNTRIGGERED and not self.order.priority

    @property
    def trigger_text(self) -> str:
        """What kind of trigger it has."""
        trigger = self.asked.trigger
        names = {
            TriggerKind.STOP: _("Stop"),
            TriggerKind.TAKE_PROFIT: _("Take profit"),
            TriggerKind.TRAILING_STOP: _("Trailing stop"),
        }
        return "" if trigger is None else names[trigger.kind]

    @property
    def is_open(self) -> bool:
        """Whether it rests in a book or waits for its trigger: it can be cancelled."""
        return self.order.status in (*OPEN_STATUSES, OrderStatus.UNTRIGGERED)

    @property
    def status(self) -> str:
        return OrderStatus(self.order.status).name.lower()

    @property
    def status_text(self) -> str:
        names = {
            "open": _("Open"),
            "partially_filled": _("Partly filled"),
            "filled": _("Filled"),
            "cancelled": _("Cancelled"),
            "expired": _("Expired"),
            "rejected": _("Rejected"),
            "untriggered": _("Waiting for its trigger"),
        }
        return names[self.status]

    @property
    def end_text(self) -> str:
        """Why its rest was not traded; "" if nothing is left, or it is still open."""
        has_reason = self.order.reason is not None and self.status != "filled"
        return describe_end(self.order.reason) if has_reason else ""


def build_order(order: Order, market: Market, *, as_api: bool = False) -> OrderRow:
    return OrderRow(order, market, _shows_no(order, market, as_api=as_api))


def build_orders(orders: Iterable[Order], *, as_api: bool = False) -> list[OrderRow]:
    orders = list(orders)
    markets = read_markets({order.market_id for order in orders})
    return [build_order(order, markets[order.market_id], as_api=as_api) for order in orders]


def _shows_no(order: Order, market: Market, *, as_api: bool) -> bool:
    """Return whether to show NO: the API has a code for it only in binary markets."""
    return order.as_no and not (as_api and not market.has_one_book)


class FillRow(NamedTuple):
    """`as_no`: shown as a trade of NO."""

    fill: AccountFill
    market: Market
    as_no: bool

    @property
    def outcome(self) -> Outcome:
        return get_outcome(self.market, self.fill.order.outcome_index, as_no=self.as_no)

    @property
    def contract(self) -> Contract:
        return find_contract(self.market, self.fill.order)

    @property
    def side(self) -> str:
        side = self.fill.order.side
        return SIDE_NAMES[-side if self.as_no else side]

    @property
    def price_pips(self) -> int:
        return mirror_pips(self.fill.trade.price_pips, as_no=self.as_no)

    @property
    def amount_micros(self) -> int:
        trade = self.fill.trade
        payout_micros = PAYOUT_PIPS * trade.quantity_lots
        return payout_micros - trade.amount_micros if self.as_no else trade.amount_micros

    @property
    def fee_micros(self) -> int:
        trade = self.fill.trade
        return trade.taker_fee_micros if self.fill.is_taker else trade.maker_fee_micros

    @property
    def cash_micros(self) -> int:
        """The change of the account's cash, including the fee."""
        trade = self.fill.trade
        moved = trade.taker_cash_micros if self.fill.is_taker else trade.maker_cash_micros
        return moved - self.fee_micros


def build_fill(fill: AccountFill, market: Market, *, as_api: bool = False) -> FillRow:
    return FillRow(fill, market, _shows_no(fill.order, market, as_api=as_api))


def build_fills(fills: Iterable[AccountFill], *, as_api: bool = False) -> list[FillRow]:
    fills = list(fills)
    markets = read_markets({fill.trade.market_id for fill in fills})
    return [build_fill(fill, markets[fill.trade.market_id], as_api=as_api) for fill in fills]


# --- settlements and transfers -------------------------------------------------------------------


class SettlementRow(NamedTuple):
    """A market's final payout. "Paid" is all payments minus receipts before it."""

    margin: Margin
    market: Market

    @property
    def is_void(self) -> bool:
        return self.market.status == Market.Status.VOIDED

    @property
    def winners(self) -> list[Outcome]:
        return [outcome for outcome in self.market.outcomes.all() if outcome.payout_pips]

    @property
    def winner_names(self) -> list[str]:
        return [name_contract(self.market, outcome.code).label for outcome in self.winners]

    @property
    def payout_micros(self) -> int:
        assert self.margin.payout_micros is not None
        return self.margin.payout_micros

    @property
    def taken_micros(self) -> int:
        """The gain that a void collected."""
        return max(0, -self.payout_micros)

    @property
    def profit_micros(self) -> int:
        return self.payout_micros - self.margin.net_paid_micros


_IN: Final = {
    "grant": gettext_lazy("Granted"),
    "deposit": gettext_lazy("Deposit"),
    "withdrawal": gettext_lazy("Withdrawal"),
    "trade": gettext_lazy("Received for contracts"),
    "fee": gettext_lazy("Trading fee returned"),
    "settlement": gettext_lazy("Paid out by the market"),
    "void": gettext_lazy("Market voided: your money back"),
    "fee_refund": gettext_lazy("Fees returned"),
    "fee_income": gettext_lazy("Fees"),
    "house_cover": gettext_lazy("Cover"),
    "liquidity": gettext_lazy("Liquidity"),
    "bond": gettext_lazy("Bond of a dispute"),
    "bond_return": gettext_lazy("Bond of a dispute returned"),
    "bond_loss": gettext_lazy("Bond of a dismissed dispute"),
    "correction": gettext_lazy("Result corrected: paid to you"),
    "internal": gettext_lazy("From another account of yours"),
}
_OUT: Final = {
    **_IN,
    "grant": gettext_lazy("Grant taken back"),
    "deposit": gettext_lazy("Deposit taken back"),
    "trade": gettext_lazy("Paid for contracts"),
    "fee": gettext_lazy("Trading fee"),
    "settlement": gettext_lazy("Paid to the market"),
    "void": gettext_lazy("Market voided: gains taken back"),
    "correction": gettext_lazy("Result corrected: taken back"),
    "internal": gettext_lazy("To another account of yours"),
}


class TransferRow(NamedTuple):
    transfer: Transfer
    account_id: int
    market: Market | None
    reason: str = ""

    @property
    def is_incoming(self) -> bool:
        return self.transfer.credit_account_id == self.account_id

    @property
    def signed_micros(self) -> int:
        amount_micros = self.transfer.amount_micros
        return amount_micros if self.is_incoming else -amount_micros

    @property
    def text(self) -> str:
        names = _IN if self.is_incoming else _OUT
        return str(names[self.transfer.kind])

    @property
    def counterparty(self) -> str:
        transfer = self.transfer
        other = transfer.debit_account if self.is_incoming else transfer.credit_account
        return other.kind


def build_transfers(transfers: Iterable[Transfer], account_id: int) -> list[TransferRow]:
    transfers = list(transfers)
    markets = read_markets({row.market_id for row in transfers if row.market_id is not None})
    reasons = read_reasons(transfers)
    return [
        TransferRow(row, account_id, markets.get(row.market_id or 0), reasons.get(row.id, ""))
        for row in transfers
    ]
