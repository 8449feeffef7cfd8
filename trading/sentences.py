"""Notifications in words, in the viewer's language."""

from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.templatetags.predex import contracts, money, price, signed_money, when
from markets.models import Market
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.models import Notification, NotificationKind


class Told(NamedTuple):
    """`title` is one sentence, `detail` more of it (or ""), `url` a path on the site."""

    title: str
    detail: str
    url: str


def describe(row: Notification) -> Told:
    """Needs `row.market` with its outcomes."""
    title, detail = _WORDS[NotificationKind(row.kind)](row.market, row.facts)
    return Told(title, detail, reverse("market", args=[row.market.slug]))


def _fill(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    values = _order_values(market, facts)
    lots = facts["lots"]
    average_pips = facts["micros"] // lots
    shown_pips = PAYOUT_PIPS - average_pips if facts["as_no"] else average_pips
    values |= {"quantity": contracts(lots), "price": price(shown_pips)}
    if values["is_buy"]:
        title = _("Bought %(quantity)s %(outcome)s at %(price)s") % values
    else:
        title = _("Sold %(quantity)s %(outcome)s at %(price)s") % values
    if facts["remaining_lots"]:
        rest = _("%(remaining)s still in the book") % {
            "remaining": contracts(facts["remaining_lots"])
        }
        return title, f"{market.title} · {rest}"
    return title, market.title


def _expired(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    values = _order_values(market, facts)
    pips = facts["price_pips"]
    shown_pips = PAYOUT_PIPS - pips if facts["as_no"] and pips is not None else pips
    values |= {"quantity": contracts(facts["remaining_lots"]), "price": price(shown_pips)}
    if values["is_buy"]:
        title = _("Your order to buy %(quantity)s %(outcome)s at %(price)s expired") % values
    else:
        title = _("Your order to sell %(quantity)s %(outcome)s at %(price)s expired") % values
    return title, market.title


def _closing(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    moment = when(datetime.fromisoformat(facts["close_at"]))
    text = moment.partition(">")[2].partition("<")[0]
    return _("Trading ends soon: %(when)s") % {"when": text}, market.title


def _resolved(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    return _("Resolved: you were paid %(amount)s, profit %(profit)s") % _paid(facts), market.title


def _voided(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    """Who had gained pays that back; who was even there is told no amount."""
    payout_micros = facts.get("payout_micros", 0)
    amount = {"amount": money(abs(payout_micros))}
    if payout_micros > 0:
        title = _("Voided: every trade was undone, you got %(amount)s back") % amount
    elif payout_micros < 0:
        title = _("Voided: every trade was undone, %(amount)s was taken back") % amount
    else:
        title = _("Voided: every trade was undone")
    return title, market.title


def _decided(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    title = _("Your market was approved") if facts["approved"] else _("Your market needs changes")
    return title, f"{market.title} · {facts['note']}" if facts["note"] else market.title


def _paid(facts: dict[str, Any]) -> dict[str, str]:
    payout_micros, net_paid_micros = facts.get("payout_micros", 0), facts.get("net_paid_micros", 0)
    return {
        "amount": money(payout_micros),
        "profit": signed_money(payout_micros - net_paid_micros),
    }


def _order_values(market: Market, facts: dict[str, Any]) -> dict[str, Any]:
    outcomes = list(market.outcomes.all())
    index = 1 if facts["as_no"] and market.kind == Market.Kind.BINARY else facts["outcome"]
    return {
        "outcome": outcomes[index].name,
        "is_buy": (facts["side"] == BUY) != facts["as_no"],
    }


_WORDS = {
    NotificationKind.FILL: _fill,
    NotificationKind.EXPIRED: _expired,
    NotificationKind.CLOSING: _closing,
    NotificationKind.RESOLVED: _resolved,
    NotificationKind.VOIDED: _voided,
    NotificationKind.DECIDED: _decided,
}
