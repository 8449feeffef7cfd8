"""The ticket's context: choices with prices, obstacles to trading, texts of errors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.translation import gettext as _

from kernel.errors import ApiError
from markets.models import Market
from trading.contracts import name_contract
from trading.pages.live import OutcomeNow
from trading.pages.obstacles import find_obstacle
from trading.pages.ticket import Ticket, find_contract
from trading.pages.words import FIELDS, explain
from trading.wire.options import mirror_pips


class ContractChoice(NamedTuple):
    """A selectable contract, with its prices for buying and selling."""

    code: str
    label: str
    bid_pips: int | None
    ask_pips: int | None
    is_chosen: bool


class Toast(NamedTuple):
    """The message after an action; `order_id` is an order that can be cancelled from it."""

    text: str
    kind: str = "success"
    order_id: str = ""


def build_ticket_context(
    request: HttpRequest, market: Market, ticket: Ticket, outcomes: Sequence[OutcomeNow]
) -> dict[str, Any]:
    """Return the context of `ticket.html`. `outcomes` have a book, most probable first."""
    chosen = next((row for row in outcomes if row.code == ticket.outcome), outcomes[0])
    return {
        "market": market,
        "ticket": ticket,
        "contract": find_contract(ticket, market),
        "obstacle": find_obstacle(request, market),
        "choices": sorted(
            (row for row in outcomes if row.withdrawn_pips is None), key=lambda row: row.index
        ),
        "answers": _list_answers(market, ticket, chosen),
        "errors": {},
        "summary": None,
        "most": None,
        "fields": FIELDS,
    }


def _list_answers(market: Market, ticket: Ticket, outcome: OutcomeNow) -> list[ContractChoice]:
    """Return YES and NO of the market, or of the chosen one of several outcomes."""
    is_binary = market.has_one_book
    said = ticket.outcome if is_binary else ticket.answer
    yes, no = ("YES", "NO") if is_binary else ("yes", "no")
    return [
        ContractChoice(
            yes, _name_answer(market, yes), outcome.bid_pips, outcome.ask_pips, said == yes
        ),
        ContractChoice(
            no,
            _name_answer(market, no),
            mirror_pips(outcome.ask_pips, as_no=True),
            mirror_pips(outcome.bid_pips, as_no=True),
            said == no,
        ),
    ]


def _name_answer(market: Market, answer: str) -> str:
    if market.has_one_book:
        return name_contract(market, answer).label
    return _("Yes") if answer == "yes" else _("No")


def choose_type(outcomes: Sequence[OutcomeNow]) -> str:
    """Return the default type: a market order if there is an order to trade with."""
    return "market" if outcomes[0].ask_pips or outcomes[0].bid_pips else "limit"


def show_errors(refusal: ApiError, market: Market) -> dict[str, str]:
    """Return the refusal's text by field; raise it again if it does not concern the form."""
    if refusal.code in ("not_found", "wrong_type"):
        raise refusal
    fault = explain(refusal, market)
    return {fault.field: fault.text}
