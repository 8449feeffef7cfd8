"""The summary of a previewed order: money, prices before and after, warnings.

All numbers are exact ones of the preview, in terms of the ticket's contract.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.utils.translation import gettext as _

from accounts.numbers import read_number, show_percent
from kernel.units import parse_amount_micros, parse_price_pips, parse_quantity_lots
from markets.models import Market
from trading.contracts import MICROS_PER_PIP, Contract, name_opposite, name_payout
from trading.engine.types import PAYOUT_PIPS
from trading.pages.numbers import show_data, show_lots, show_money, show_price
from trading.pages.position import ContractPosition
from trading.pages.ticket import Ticket, find_contract, mirror
from trading.pages.words import PAYOUT_MICROS, describe_end, describe_unspent
from trading.wire.schema import PreviewAnswer

RESTING: Final = ("open", "partially_filled")


class SummaryLine(NamedTuple):
    """One line of the summary; `name` is for scripts and tests."""

    name: str
    label: str
    value: str
    tone: str = ""


class Summary(NamedTuple):
    """`note` explains what a sale of more than is owned bets on."""

    headline: str
    note: str
    lines: list[SummaryLine]
    warnings: list[str]


class Effect(NamedTuple):
    """A preview in integers, with the position that it is compared with.

    `opened_lots` are of `bet`: the ticket's contract, or its opposite for a sale.
    """

    preview: PreviewAnswer
    ticket: Ticket
    contract: Contract
    bet: Contract
    position: ContractPosition
    filled_lots: int
    rest_lots: int
    cost_micros: int
    fees_micros: int
    hold_micros: int
    pays_micros: int

    @property
    def is_sale(self) -> bool:
        return self.ticket.side == "sell"

    @property
    def closed_lots(self) -> int:
        """How much of the fills closes a position, in the contract or its opposite."""
        held_lots = self.position.position_lots * (1 if self.is_sale else -1)
        return min(self.filled_lots, max(0, held_lots))

    @property
    def opened_lots(self) -> int:
        """How much of the fills opens a position, plus the rest of a purchase."""
        return self.pays_micros // PAYOUT_PIPS - (0 if self.is_sale else self.rest_lots)

    @property
    def rest_closes_lots(self) -> int:
        """How much of a sale's rest would sell owned contracts, as of now."""
        if not self.is_sale:
            return 0
        return min(self.rest_lots, max(0, self.position.owned_lots - self.filled_lots))

    @property
    def rest_opens_lots(self) -> int:
        """How much of the rest would open a position, as of now."""
        if self.is_sale and self.ticket.reduce_only:
            return 0
        return self.rest_lots - self.rest_closes_lots

    @property
    def rest_risk_pips(self) -> int:
        """The cost per contract that the rest opens."""
        price_pips = self.ticket.price_pips
        return PAYOUT_PIPS - price_pips if self.is_sale else price_pips


def build_summary(
    preview: PreviewAnswer, ticket: Ticket, market: Market, position: ContractPosition
) -> Summary:
    """Return the summary of a preview. `position` is the position just before it."""
    effect = _read_effect(preview, ticket, market, position)
    return Summary(
        _describe(preview, ticket, effect.contract),
        _describe_bet(effect),
        [
            *_list_money(effect),
            *_list_gain(effect, market),
            *_list_result(effect),
            *_list_prices(effect),
            *_list_available(effect),
        ],
        [_WARNINGS[one.code](preview, ticket) for one in preview.warnings if one.code in _WARNINGS],
    )


def _read_effect(
    preview: PreviewAnswer, ticket: Ticket, market: Market, position: ContractPosition
) -> Effect:
    contract = find_contract(ticket, market)
    return Effect(
        preview,
        ticket,
        contract,
        contract if ticket.side == "buy" else name_opposite(market, contract),
        position,
        parse_quantity_lots(preview.filled),
        parse_quantity_lots(preview.remaining) if preview.status in RESTING else 0,
        parse_amount_micros(preview.cost),
        parse_amount_micros(preview.fees),
        parse_amount_micros(preview.hold),
        parse_amount_micros(preview.pays_if_right),
    )


def _describe(preview: PreviewAnswer, ticket: Ticket, contract: Contract) -> str:
    said = {
        "filled": show_lots(parse_quantity_lots(preview.filled)),
        "rest": show_lots(parse_quantity_lots(preview.remaining)),
        "outcome": contract.label,
        "price": _show(ticket.price_pips, contract) if ticket.type == "limit" else "",
    }
    if preview.status == "untriggered":
        return _("%(rest)s %(outcome)s would wait for the price. Nothing is held meanwhile.") % said
    if preview.status == "open":
        return _("%(rest)s %(outcome)s would rest in the book at %(price)s.") % said
    if preview.average_price is None:
        return _("Nothing would be traded.")
    is_sale = ticket.side == "sell"
    if preview.status == "partially_filled":
        if is_sale:
            text = _("You sell %(filled)s %(outcome)s now; %(rest)s would rest at %(price)s.")
        else:
            text = _("You buy %(filled)s %(outcome)s now; %(rest)s would rest at %(price)s.")
    elif is_sale:
        text = _("You sell %(filled)s %(outcome)s now.")
    elif parse_amount_micros(preview.cost) < 0:
        text = _("You buy %(filled)s %(outcome)s now, which closes your position against it.")
    else:
        text = _("You buy %(filled)s %(outcome)s now.")
    return text % said


def _describe_bet(effect: Effect) -> str:
    """Return the note that a sale of more than is owned bets on the opposite, or ""."""
    owned_lots = effect.position.owned_lots
    more_lots = effect.filled_lots + effect.rest_lots - owned_lots
    if not effect.is_sale or more_lots <= 0 or effect.ticket.reduce_only:
        return ""
    said = {"owned": show_lots(owned_lots), "more": show_lots(more_lots)}
    if effect.bet.is_mirrored:
        said["sold"] = effect.contract.label
        if owned_lots:
            return _("You own %(owned)s: the other %(more)s bet against %(sold)s.") % said
        return _("You own none: this bets against %(sold)s.") % said
    said["bet"] = effect.bet.label
    if owned_lots:
        return _("You own %(owned)s: the other %(more)s bet on %(bet)s.") % said
    return _("You own none: this bets on %(bet)s.") % said


def _list_money(effect: Effect) -> Iterable[SummaryLine]:
    cost_micros = effect.cost_micros
    if effect.preview.average_price is not None:
        average_micros = parse_amount_micros(effect.preview.average_price)
        if effect.ticket.is_mirrored:
            average_micros = PAYOUT_PIPS * MICROS_PER_PIP - average_micros
        is_scalar = effect.contract.scale is not None
        label = _("Average number") if is_scalar else _("Average price")
        yield SummaryLine("average_price", label, show_price(average_micros, effect.contract))
        across_lots = parse_quantity_lots(effect.preview.filled_across)
        if across_lots:
            label = _("Traded with orders for the other outcomes")
            yield SummaryLine("filled_across", label, show_lots(across_lots))
        if cost_micros < 0:
            yield SummaryLine("cost", _("You receive"), show_data(-cost_micros))
        else:
            yield SummaryLine("cost", _("Cost"), show_data(cost_micros))
        label = _("Fee") if cost_micros < 0 else _("Fee, in the cost")
        yield SummaryLine("fees", label, show_data(effect.fees_micros))
    if effect.rest_lots:
        yield from _list_hold(effect)


def _list_hold(effect: Effect) -> Iterable[SummaryLine]:
    """The hold beyond the price of the rest is for its fee."""
    if effect.hold_micros:
        label = _("Held while it waits")
    else:
        label = _("Held while it waits: covered by your contracts and orders")
    yield SummaryLine("hold", label, show_data(effect.hold_micros))
    fee_micros = effect.hold_micros - effect.rest_risk_pips * effect.rest_lots
    if fee_micros > 0:
        yield SummaryLine("fee_hold", _("Of which for the fee, at most"), show_data(fee_micros))


def _list_gain(effect: Effect, market: Market) -> Iterable[SummaryLine]:
    """The payout and its condition; the profit only if no part closes a position."""
    if effect.rest_closes_lots:
        brings_micros = effect.ticket.price_pips * effect.rest_closes_lots
        label = _("You receive when it fills, before fees")
        yield SummaryLine("receives", label, show_data(brings_micros))
    pays_micros = PAYOUT_PIPS * (effect.opened_lots + effect.rest_opens_lots)
    if not pays_micros:
        return
    yield SummaryLine("pays_if_right", name_payout(market, effect.bet), show_data(pays_micros))
    if effect.opened_lots != effect.filled_lots or effect.rest_closes_lots:
        return
    spent_micros = effect.cost_micros
    if effect.rest_opens_lots:
        spent_micros += effect.rest_risk_pips * effect.rest_opens_lots
    profit_micros = pays_micros - spent_micros
    is_scalar = effect.bet.scale is not None
    if is_scalar and 0 < spent_micros <= pays_micros:
        at = show_price(spent_micros * PAYOUT_MICROS // pays_micros, effect.bet)
        yield SummaryLine("break_even", _("Neither gain nor loss at"), at)
    if spent_micros > 0 and profit_micros >= 0:
        share = show_percent((200 * profit_micros + spent_micros) // (2 * spent_micros))
        text = f"{show_money(profit_micros)} (+{share})"
        label = _("Profit at most") if is_scalar else _("Profit if right")
        yield SummaryLine("profit", label, text, "yes")


def _list_result(effect: Effect) -> Iterable[SummaryLine]:
    """Profit or loss of the closed part: proceeds minus cost, both with fees."""
    closed_lots, paid_micros = effect.closed_lots, effect.position.paid_micros
    if not closed_lots or paid_micros is None:
        return
    brought_micros = PAYOUT_PIPS * effect.opened_lots - effect.cost_micros
    brought_micros = brought_micros * closed_lots // effect.filled_lots
    result_micros = brought_micros - paid_micros * closed_lots // abs(effect.position.position_lots)
    if result_micros < 0:
        yield SummaryLine("result", _("Loss, fees included"), show_data(result_micros), "no")
    else:
        yield SummaryLine("result", _("Profit, fees included"), show_data(result_micros), "yes")


def _list_prices(effect: Effect) -> Iterable[SummaryLine]:
    """The opposite side's best price, and its own side's if it becomes the best."""
    preview, position = effect.preview, effect.position
    bid_pips, ask_pips = _parse(preview.best_bid), _parse(preview.best_ask)
    if effect.contract.is_mirrored:
        bid_pips, ask_pips = mirror(ask_pips), mirror(bid_pips)
    asks = (_("Best price to buy"), position.ask_pips, ask_pips)
    bids = (_("Best price to sell"), position.bid_pips, bid_pips)
    met, own = (bids, asks) if effect.is_sale else (asks, bids)
    for name, (label, before_pips, after_pips) in (("met", met), ("own", own)):
        if before_pips != after_pips:
            contract = effect.contract
            said = {"before": _show(before_pips, contract), "after": _show(after_pips, contract)}
            text = _("%(before)s → %(after)s") % said
            yield SummaryLine(f"effect_{name}", label, text)
        elif name == "met" and preview.average_price is not None:
            text = _("stays %(price)s") % {"price": _show(after_pips, effect.contract)}
            yield SummaryLine("effect_met", label, text)


def _list_available(effect: Effect) -> Iterable[SummaryLine]:
    if effect.position.available_micros is not None:
        left_micros = effect.position.available_micros - effect.cost_micros - effect.hold_micros
        yield SummaryLine("available", _("Available afterwards"), show_data(left_micros), "muted")


def _warn_unfilled(preview: PreviewAnswer, ticket: Ticket) -> str:
    if ticket.measure == "credits" and ticket.type == "market":
        budget_micros = parse_amount_micros(read_number(ticket.amount))
        return describe_unspent(parse_amount_micros(preview.cost), budget_micros, preview.reason)
    said = {
        "rest": show_lots(parse_quantity_lots(preview.remaining)),
        "reason": describe_end(preview.reason),
    }
    return _("%(rest)s would not be traded: %(reason)s.") % said


def _warn_nothing(preview: PreviewAnswer, _ticket: Ticket) -> str:
    return _("Nothing would be traded: %(reason)s.") % {"reason": describe_end(preview.reason)}


def _warn_impact(_preview: PreviewAnswer, _ticket: Ticket) -> str:
    return _("The last contract would trade more than 5 cents from the first one's price.")


def _warn_closing(_preview: PreviewAnswer, _ticket: Ticket) -> str:
    return _("The market closes within a minute.")


_WARNINGS: Final = {
    "partly_filled": _warn_unfilled,
    "not_filled": _warn_nothing,
    "price_impact": _warn_impact,
    "closes_soon": _warn_closing,
}


def _parse(price: str | None) -> int | None:
    return None if price is None else parse_price_pips(price)


def _show(price_pips: int | None, contract: Contract) -> str:
    if price_pips is None:
        return _("none")
    return show_price(price_pips * MICROS_PER_PIP, contract)
