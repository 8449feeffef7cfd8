"""The order ticket: a form that becomes a PlaceOrder, previewed and placed as on the API.

A ticket is for contracts. In a binary market these are YES and NO, as in the API. In a market of
several outcomes each has YES and NO too, and NO of one is a sale of it at 1 minus the price.
Credits to spend are a market order's budget; for a limit order they are converted to as many
contracts as they pay for at its price, fees included, rounded down. A ticket may wait for a price
(`trigger`), and may bring a take-profit and a stop-loss, which trade at the market; all prices are
of its contract.

Each rendered ticket has a client order id. It changes after each definite answer and stays if the
outcome is unknown, so that a double click, a resubmission or a retry places only one order.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode

from django.utils import timezone
from msgspec import Raw

from accounts.numbers import read_number, write_number
from kernel.errors import ApiError, RefusedError
from kernel.ids import new_id
from kernel.units import (
    UnitError,
    format_price,
    format_quantity,
    parse_amount_micros,
    parse_field,
)
from markets.models import Market
from markets.scalars import Scale
from trading.contracts import Contract, name_contract
from trading.engine.fees import compute_basis, round_up
from trading.engine.types import PAYOUT_PIPS, FeeKind, Fees, Reason
from trading.pipeline.config import fees_of
from trading.wire.fields import number_in
from trading.wire.options import mirror_pips
from trading.wire.refusals import build_refusal
from trading.wire.schema import LegIn, PlaceOrder, StopLossIn, TriggerIn

SIDES: Final = ("buy", "sell")
ANSWERS: Final = ("yes", "no")
TYPES: Final = ("market", "limit")
MEASURES: Final = ("contracts", "credits")
TIMES: Final = ("gtc", "gtd", "ioc", "fok")
TRIGGERS: Final = ("none", "stop", "take_profit", "trailing_stop")
TRIGGER_PRICES: Final = ("last", "best")
PRICES: Final = ("price", "trigger_price", "trail", "take_profit", "stop_loss")
"""The fields with a price; `trail` is a distance."""
TEXT_LENGTH_MAX: Final = 40
KEY_LENGTH_MAX: Final = 64


class Ticket(NamedTuple):
    """The form's fields as typed. `answer` is used in markets with several outcomes.

    In a scalar market, with a `scale`, the price is typed as a number of the range.
    """

    outcome: str
    client_order_id: str
    answer: str = "yes"
    side: str = "buy"
    type: str = "limit"
    measure: str = "contracts"
    amount: str = ""
    price: str = ""
    time_in_force: str = "gtc"
    expires_at: str = ""
    post_only: bool = False
    reduce_only: bool = False
    scale: Scale | None = None
    trigger: str = "none"
    trigger_price: str = ""
    trail: str = ""
    trigger_on: str = "last"
    take_profit: str = ""
    stop_loss: str = ""

    @property
    def asks_for_more(self) -> bool:
        """Whether it uses a field that is folded away."""
        folded = (self.post_only, self.reduce_only, self.take_profit, self.stop_loss)
        return any(folded) or (self.time_in_force, self.trigger) != ("gtc", "none")

    @property
    def is_mirrored(self) -> bool:
        return self.answer == "no"

    @property
    def is_complete(self) -> bool:
        """Whether it is complete enough for a preview."""
        has_price = self.type == "market" or bool(self.price)
        has_trigger = self.trigger == "none" or bool(self.trigger_price or self.trail)
        return bool(self.amount) and has_price and has_trigger

    @property
    def price_pips(self) -> int:
        """The parsed price; UnitError if it is invalid."""
        contract = Contract(self.outcome, "", scale=self.scale)
        return contract.parse_price(read_number(self.price))


def read_ticket(
    values: Mapping[str, str],
    market: Market,
    *,
    default_type: str = "limit",
    default_outcome: str = "",
) -> Ticket:
    """Read a form or a link; an invalid choice becomes the first one, unless given."""
    codes = [outcome.code for outcome in market.outcomes.all()]
    is_binary = market.has_one_book

    def choose(name: str, choices: Any, default: str) -> str:
        value = values.get(name, "")
        return value if value in choices else default

    def write(name: str) -> str:
        return values.get(name, "").strip()[:TEXT_LENGTH_MAX]

    return Ticket(
        outcome=choose("outcome", codes, default_outcome or codes[0]),
        client_order_id=values.get("client_order_id", "")[:KEY_LENGTH_MAX] or new_id(),
        answer="yes" if is_binary else choose("answer", ANSWERS, "yes"),
        side=choose("side", SIDES, "buy"),
        type=choose("type", TYPES, "limit" if write("price") else default_type),
        measure=choose("measure", MEASURES, "contracts"),
        amount=write("amount") or write("quantity"),
        price=write("price"),
        time_in_force=choose("time_in_force", TIMES, "gtc"),
        expires_at=write("expires_at"),
        post_only=bool(values.get("post_only")),
        reduce_only=bool(values.get("reduce_only")),
        trigger=choose("trigger", TRIGGERS, "none"),
        trigger_price=write("trigger_price"),
        trail=write("trail"),
        trigger_on=choose("trigger_on", TRIGGER_PRICES, "last"),
        take_profit=write("take_profit"),
        stop_loss=write("stop_loss"),
        scale=market.scale,
    )


def read_link(values: Mapping[str, str], market: Market, **defaults: str) -> Ticket:
    """Read a link and convert its plain numbers to the form's notation."""
    ticket = read_ticket(values, market, **defaults)
    return _convert(ticket, write_number)


def find_contract(ticket: Ticket, market: Market) -> Contract:
    return name_contract(market, ticket.outcome, is_mirrored=ticket.is_mirrored)


def write_link(ticket: Ticket) -> str:
    """Return the query of a link to the market's page that restores this ticket."""
    ticket = _convert(ticket, _to_plain)
    defaults = Ticket._field_defaults
    said = {
        name: "on" if value is True else value
        for name, value in ticket._asdict().items()
        if name != "scale"
        and (name in ("outcome", "side", "type", "measure") or value != defaults.get(name, value))
    }
    return f"?{urlencode(said)}#ticket"


def _convert(ticket: Ticket, convert: Callable[[str], str]) -> Ticket:
    """Return the ticket with its numbers in another notation."""
    numbers: dict[str, Any] = {name: convert(getattr(ticket, name)) for name in ("amount", *PRICES)}
    return ticket._replace(**numbers)


def _to_plain(text: str) -> str:
    """Return a typed number in plain notation; an invalid or ambiguous text is unchanged."""
    try:
        return read_number(text)
    except UnitError:
        return text


# --- from the form to the API ------------------------------------------------------------------


def build_order(ticket: Ticket, market: Market) -> PlaceOrder:
    """Return the ticket's order; ApiError if it cannot be valid."""
    side = ticket.side
    if ticket.is_mirrored:
        side = "sell" if side == "buy" else "buy"
    fields: dict[str, Any] = {
        "market": market.slug,
        "outcome": ticket.outcome,
        "side": side,
        "type": ticket.type,
        "client_order_id": ticket.client_order_id,
        "post_only": ticket.post_only and ticket.type == "limit",
        "reduce_only": ticket.reduce_only,
        "price": number_in(_find_price(ticket)),
        **_build_amount(ticket, market),
        **_build_time(ticket),
        **_build_trigger(ticket, market),
        **_build_legs(ticket, market),
    }
    return PlaceOrder(**fields)


def _find_price(ticket: Ticket) -> str:
    if ticket.type == "market" or not ticket.price:
        return ""
    return format_price(mirror_pips(_read_price(ticket), as_no=ticket.is_mirrored))


def _build_trigger(ticket: Ticket, market: Market) -> dict[str, Any]:
    if ticket.trigger == "none":
        return {}
    if ticket.measure == "credits" and ticket.type == "market":
        raise RefusedError("trigger_by_credits", "quantity")
    is_trailing = ticket.trigger == "trailing_stop"
    trigger = TriggerIn(
        kind=cast("Any", ticket.trigger),
        price=number_in(_find_trigger_price(ticket, "trigger_price", market)),
        on=cast("Any", ticket.trigger_on),
        trail=number_in(_find_trail(ticket, market) if is_trailing else ""),
    )
    return {"trigger": trigger}


def _build_legs(ticket: Ticket, market: Market) -> dict[str, Any]:
    kinds = {"take_profit": LegIn, "stop_loss": StopLossIn}
    return {
        name: kind(price=number_in(_find_trigger_price(ticket, name, market)))
        for name, kind in kinds.items()
        if getattr(ticket, name)
    }


def _find_trigger_price(ticket: Ticket, name: str, market: Market) -> str:
    """Return a price that is waited for, of the order's outcome; "" if it is empty."""
    parse = find_contract(ticket, market).parse_price
    price_pips = _parse_on_tick(parse, getattr(ticket, name), name, market)
    return (
        ""
        if price_pips is None
        else format_price(mirror_pips(price_pips, as_no=ticket.is_mirrored))
    )


def _find_trail(ticket: Ticket, market: Market) -> str:
    parse = find_contract(ticket, market).parse_distance
    trail_pips = _parse_on_tick(parse, ticket.trail, "trail", market)
    return "" if trail_pips is None else format_price(trail_pips)


def _parse_on_tick(
    parse: Callable[[str], int], text: str, field: str, market: Market
) -> int | None:
    """Return the pips of a typed price, None if it is empty; ApiError off the tick."""
    if not text:
        return None
    pips = parse_field(parse, read_field(text, field), field)
    if pips % market.tick_pips:
        raise RefusedError("price_off_tick", field)
    return pips


def _build_amount(ticket: Ticket, market: Market) -> dict[str, Raw]:
    if ticket.measure == "contracts":
        return {"quantity": number_in(_read_amount(ticket, "quantity"))} if ticket.amount else {}
    if ticket.side == "sell":
        raise RefusedError("sale_by_credits", "quantity")
    if ticket.type == "market":
        return {"budget": number_in(_read_amount(ticket, "budget"))} if ticket.amount else {}
    if not ticket.price:
        raise build_refusal(Reason.PRICE_MISSING)
    lots = compute_affordable_lots(
        parse_field(parse_amount_micros, _read_amount(ticket, "budget"), "budget"),
        _read_price(ticket),
        fees=fees_of(market),
        step_lots=market.lot_step_lots,
    )
    if not lots:
        raise RefusedError("budget_too_small", "budget")
    return {"quantity": number_in(format_quantity(lots))}


def _build_time(ticket: Ticket) -> dict[str, Any]:
    """Return the time in force; of a market order, which never rests, only FOK is relevant."""
    if ticket.type == "market" and ticket.time_in_force != "fok":
        return {}
    if ticket.time_in_force != "gtd":
        return {"time_in_force": ticket.time_in_force}
    return {"time_in_force": "gtd", "expires_at": _read_time(ticket.expires_at)}


def _read_time(text: str) -> str:
    """Return the ISO text of a time in the viewer's zone."""
    try:
        moment = datetime.fromisoformat(text)
        if timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
    except ValueError:
        raise ApiError(
            "invalid_time", "expires_at", detail="send a time like 2026-07-01T12:00"
        ) from None
    return moment.isoformat()


def mirror(price_pips: int | None) -> int | None:
    """Convert a contract's price to that of its opposite, and back."""
    return mirror_pips(price_pips, as_no=True)


def _read_price(ticket: Ticket) -> int:
    return parse_field(lambda _text: ticket.price_pips, ticket.price, "price")


def _read_amount(ticket: Ticket, field: str) -> str:
    return read_field(ticket.amount, field)


def read_field(text: str, field: str) -> str:
    """Return the typed number in plain notation; ApiError if it is ambiguous."""
    return parse_field(read_number, text, field)


def read_price(text: str, contract: Contract, *, field: str = "price") -> str:
    """Return a contract's typed price as its outcome's in plain notation; "" if empty."""
    plain = read_field(text, field)
    if not plain or not (contract.is_mirrored or contract.scale):
        return plain
    price_pips = parse_field(contract.parse_price, plain, field)
    return format_price(mirror_pips(price_pips, as_no=contract.is_mirrored))


def compute_affordable_lots(
    budget_micros: int, price_pips: int, *, fees: Fees, step_lots: int
) -> int:
    """Return the most lots, a multiple of the step, that cannot cost more than the budget.

    The cost is the engine's hold for them: price x lots and the higher of both fee rates.
    """
    if not 0 < price_pips < PAYOUT_PIPS or budget_micros <= 0:
        return 0
    least, most = 0, budget_micros // (price_pips * step_lots)
    while least < most:
        middle = (least + most + 1) // 2
        if _compute_most_micros(middle * step_lots, price_pips, fees) <= budget_micros:
            least = middle
        else:
            most = middle - 1
    return least * step_lots


def _compute_most_micros(lots: int, price_pips: int, fees: Fees) -> int:
    if fees.kind is FeeKind.NONE:
        return price_pips * lots
    rate_ppm = max(fees.maker_rate_ppm, fees.taker_rate_ppm)
    fee_micros = round_up(fees, rate_ppm * compute_basis(fees, price_pips, lots))
    return price_pips * lots + fee_micros + (fees.unit_micros if fees.unit_micros > 1 else 0)
