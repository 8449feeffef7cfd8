"""What a previewed order would do, for people: money, prices before and after, words of warning.

Every number is the preview's own, exact, told of the contract that the ticket names.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.utils.translation import gettext as _

from accounts.models import Account
from accounts.numbers import show_percent
from accounts.units import parse_amount_micros, parse_price_pips, parse_quantity_lots
from markets.models import Market
from trading.api.schema import PreviewAnswer
from trading.cards import build_card
from trading.config import fees_of
from trading.engine.margin import compute_position_lots, new_account
from trading.engine.types import PAYOUT_PIPS
from trading.feed.mirror import find_tops
from trading.feed.reads import book_from_database
from trading.models import Position
from trading.pages.numbers import (
    show_data,
    show_exact,
    show_lots,
    show_money,
    write_cents,
    write_lots,
)
from trading.pages.ticket import Ticket, compute_affordable_lots
from trading.pages.words import MICROS_PER_PIP, Contract, describe_end

RESTING: Final = ("open", "partially_filled")


class Standing(NamedTuple):
    """What somebody has before an order: prices of the contract, contracts owned, credits."""

    bid_pips: int | None
    ask_pips: int | None
    owned_lots: int
    available_micros: int


class Line(NamedTuple):
    """One line of the summary; `name` is for scripts and tests."""

    name: str
    label: str
    value: str
    tone: str = ""


class Most(NamedTuple):
    """What the ticket's button "max" writes; "" where there is nothing to say."""

    contracts: str
    credits: str


class Summary(NamedTuple):
    headline: str
    lines: list[Line]
    warnings: list[str]


def read_standing(market: Market, contract: Contract, account_id: int) -> Standing:
    """Read what the contract trades at and what the account has, in 3 queries."""
    card = build_card(market)
    is_no = contract.is_mirrored or (card.binary and contract.code == card.codes[1])
    outcome = 0 if card.binary else card.codes.index(contract.code)
    _seq, _ts_us, levels = book_from_database(market.pk)
    top = {top.outcome: top for top in find_tops(levels)}.get(outcome)
    bid_pips, ask_pips = (top.bid_pips, top.ask_pips) if top else (None, None)
    owned_lots = read_position_lots(account_id, market, outcome)
    if is_no:
        bid_pips, ask_pips = _mirror(ask_pips), _mirror(bid_pips)
        owned_lots = -owned_lots
    available_micros = Account.objects.get(pk=account_id).available_micros
    return Standing(bid_pips, ask_pips, max(0, owned_lots), available_micros)


def read_position_lots(account_id: int, market: Market, outcome: int) -> int:
    """Return contracts owned of a book's outcome; below 0 they are of its NO."""
    state = new_account(account_id, market.book_count)
    rows = Position.objects.filter(account=account_id, market=market)
    for index, net_lots in rows.values_list("outcome_index", "net_lots"):
        state.net_lots[index] = net_lots
    return compute_position_lots(state, outcome, binary=market.kind == Market.Kind.BINARY)


def find_most(ticket: Ticket, market: Market, standing: Standing) -> Most:
    """Return the most that the ticket can be written for: what is owned, or can be paid."""
    if ticket.side == "sell":
        return Most(write_lots(standing.owned_lots) if standing.owned_lots else "", "")
    price_pips = _find_price_pips(ticket, standing)
    lots = 0
    if price_pips is not None:
        lots = compute_affordable_lots(
            standing.available_micros,
            price_pips,
            fees=fees_of(market),
            step_lots=market.lot_step_lots,
        )
    return Most(write_lots(lots) if lots else "", write_cents(standing.available_micros))


def _find_price_pips(ticket: Ticket, standing: Standing) -> int | None:
    if ticket.type == "market":
        return standing.ask_pips
    try:
        return ticket.price_pips
    except ValueError:
        return None


def build_summary(
    told: PreviewAnswer, ticket: Ticket, contract: Contract, standing: Standing
) -> Summary:
    """Tell a preview's answer. `standing` is as of just before it."""
    filled_lots = parse_quantity_lots(told.filled)
    rest_lots = parse_quantity_lots(told.remaining) if told.status in RESTING else 0
    return Summary(
        _describe(told, ticket, contract),
        [
            *_list_money(told, ticket),
            *_list_gain(told, ticket, filled_lots, rest_lots),
            *_list_effect(told, ticket, contract, standing),
            _show_available(told, standing),
        ],
        [_WARNINGS[warned.code](told) for warned in told.warnings if warned.code in _WARNINGS],
    )


def _describe(told: PreviewAnswer, ticket: Ticket, contract: Contract) -> str:
    said = {
        "filled": show_lots(parse_quantity_lots(told.filled)),
        "rest": show_lots(parse_quantity_lots(told.remaining)),
        "outcome": contract.label,
        "price": show_exact(ticket.price_pips * MICROS_PER_PIP) if ticket.type == "limit" else "",
    }
    if told.status == "open":
        return _("%(rest)s %(outcome)s would wait at %(price)s for somebody to trade.") % said
    if told.status == "partially_filled":
        return _("%(filled)s %(outcome)s trade at once, %(rest)s wait at %(price)s.") % said
    if ticket.side == "buy" and parse_amount_micros(told.cost) < 0:
        return _("%(filled)s %(outcome)s trade at once and close what you own against it.") % said
    if told.average_price is not None:
        return _("%(filled)s %(outcome)s trade at once.") % said
    return _("Nothing would be traded.")


def _list_money(told: PreviewAnswer, ticket: Ticket) -> Iterable[Line]:
    cost_micros = parse_amount_micros(told.cost)
    fees_micros, hold_micros = parse_amount_micros(told.fees), parse_amount_micros(told.hold)
    if told.average_price is not None:
        average_micros = parse_amount_micros(told.average_price)
        if ticket.is_mirrored:
            average_micros = PAYOUT_PIPS * MICROS_PER_PIP - average_micros
        yield Line("average_price", _("Average price"), show_exact(average_micros))
        if cost_micros < 0:
            yield Line("cost", _("You receive"), show_data(-cost_micros))
        else:
            yield Line("cost", _("Cost"), show_data(cost_micros))
        label = _("Fee") if cost_micros < 0 else _("Fee, in the cost")
        yield Line("fees", label, show_data(fees_micros))
    if hold_micros:
        yield Line("hold", _("Held while it waits"), show_data(hold_micros))


def _list_gain(
    told: PreviewAnswer, ticket: Ticket, filled_lots: int, rest_lots: int
) -> Iterable[Line]:
    """What it pays if right; the profit only where nothing of it closes a position."""
    pays_micros = parse_amount_micros(told.pays_if_right)
    if not pays_micros:
        return
    yield Line("pays_if_right", _("Pays if right"), show_data(pays_micros))
    rest_lots = rest_lots if ticket.side == "buy" else 0
    if pays_micros != PAYOUT_PIPS * (filled_lots + rest_lots):
        return
    spent_micros = parse_amount_micros(told.cost)
    if rest_lots:
        spent_micros += ticket.price_pips * rest_lots
    profit_micros = pays_micros - spent_micros
    if spent_micros > 0 and profit_micros >= 0:
        share = show_percent(profit_micros * 100 // spent_micros)
        text = f"{show_money(profit_micros)} (+{share})"
        yield Line("profit", _("Profit if right"), text, "yes")


def _list_effect(
    told: PreviewAnswer, ticket: Ticket, contract: Contract, standing: Standing
) -> Iterable[Line]:
    """The best price on the side it trades with, and on its own side if it becomes the best."""
    bid_pips, ask_pips = _parse(told.best_bid), _parse(told.best_ask)
    if contract.is_mirrored:
        bid_pips, ask_pips = _mirror(ask_pips), _mirror(bid_pips)
    asks = (_("Best price to buy"), standing.ask_pips, ask_pips)
    bids = (_("Best price to sell"), standing.bid_pips, bid_pips)
    met, own = (asks, bids) if ticket.side == "buy" else (bids, asks)
    for name, (label, before_pips, after_pips) in (("met", met), ("own", own)):
        if before_pips != after_pips:
            said = {"before": _show(before_pips), "after": _show(after_pips)}
            text = _("%(before)s → %(after)s") % said
            yield Line(f"effect_{name}", label, text)
        elif name == "met" and told.average_price is not None:
            yield Line("effect_met", label, _("stays %(price)s") % {"price": _show(after_pips)})


def _show_available(told: PreviewAnswer, standing: Standing) -> Line:
    spent_micros = parse_amount_micros(told.cost) + parse_amount_micros(told.hold)
    left = show_data(standing.available_micros - spent_micros)
    return Line("available", _("Available afterwards"), left, "muted")


def _warn_unfilled(told: PreviewAnswer) -> str:
    said = {
        "rest": show_lots(parse_quantity_lots(told.remaining)),
        "reason": describe_end(told.reason),
    }
    return _("%(rest)s would not be traded: %(reason)s.") % said


def _warn_nothing(told: PreviewAnswer) -> str:
    return _("Nothing would be traded: %(reason)s.") % {"reason": describe_end(told.reason)}


def _warn_impact(_told: PreviewAnswer) -> str:
    return _("The last contract would trade more than 5 cents from the first one's price.")


def _warn_closing(_told: PreviewAnswer) -> str:
    return _("The market closes within a minute.")


_WARNINGS: Final = {
    "partly_filled": _warn_unfilled,
    "not_filled": _warn_nothing,
    "price_impact": _warn_impact,
    "closes_soon": _warn_closing,
}


def _mirror(price_pips: int | None) -> int | None:
    return None if price_pips is None else PAYOUT_PIPS - price_pips


def _parse(price: str | None) -> int | None:
    return None if price is None else parse_price_pips(price)


def _show(price_pips: int | None) -> str:
    if price_pips is None:
        return _("none")
    return show_exact(price_pips * MICROS_PER_PIP)
