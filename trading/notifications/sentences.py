"""The texts of notifications, in the viewer's language."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.templatetags.predex import contracts, moment, money, signed_money
from markets.models import HIDDEN_STATUSES, Correction, Dispute, Market
from markets.templatetags.scalars import no_price_in, price_in
from trading.contracts import describe_payout, get_outcome, name_contract
from trading.engine.types import BUY, PAYOUT_PIPS
from trading.models import Notification, NotificationKind, Order


class NotificationText(NamedTuple):
    """`title` is one sentence, `detail` a further text or "", `url` a path on the site."""

    title: str
    detail: str
    url: str


def describe(row: Notification) -> NotificationText:
    """Render a notification; needs `row.market` with its outcomes, if there is one."""
    return describe_all([row])[0]


def describe_all(rows: Sequence[Notification]) -> list[NotificationText]:
    """Render notifications; those about orders mention what still rests in the book."""
    fills = [row.subject for row in rows if row.kind == NotificationKind.FILL and row.subject]
    open_orders = Order.objects.filter(pk__in=fills).open() if fills else Order.objects.none()
    resting = {pk.hex: lots for pk, lots in open_orders.values_list("pk", "remaining_lots")}
    return [_describe(row, resting.get(row.subject, 0)) for row in rows]


def _describe(row: Notification, resting_lots: int) -> NotificationText:
    facts = {**row.facts, "resting_lots": resting_lots}
    if row.kind == NotificationKind.WEBHOOK:
        return _webhook(facts, row.subject)
    if row.market is None:
        return _money(facts)
    title, detail = _WORDS[NotificationKind(row.kind)](row.market, facts)
    return NotificationText(title, detail, reverse("market", args=[row.market.slug]))


def _fill(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    values = _order_values(market, facts)
    lots = facts["lots"]
    average_pips = (2 * facts["micros"] + lots) // (2 * lots)
    shown_pips = PAYOUT_PIPS - average_pips if facts["as_no"] else average_pips
    values |= {"quantity": contracts(lots), "price": _show_price(market, shown_pips, values)}
    if values["is_buy"]:
        title = _("Bought %(quantity)s %(outcome)s at %(price)s") % values
    else:
        title = _("Sold %(quantity)s %(outcome)s at %(price)s") % values
    if facts["resting_lots"]:
        rest = _("%(remaining)s still in the book") % {
            "remaining": contracts(facts["resting_lots"])
        }
        return title, f"{market.title} · {rest}"
    return title, market.title


def _expired(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    values = _order_values(market, facts)
    pips = facts["price_pips"]
    shown_pips = PAYOUT_PIPS - pips if facts["as_no"] and pips is not None else pips
    price_text = _show_price(market, shown_pips, values)
    values |= {"quantity": contracts(facts["remaining_lots"]), "price": price_text}
    if values["is_buy"]:
        title = _("Your order to buy %(quantity)s %(outcome)s at %(price)s expired") % values
    else:
        title = _("Your order to sell %(quantity)s %(outcome)s at %(price)s expired") % values
    return title, market.title


def _closing(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    return _("Trading ends soon: %(when)s") % {"when": _say_when(facts["close_at"])}, market.title


def _clarified(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    return _("The rules were clarified"), f"{market.title} · {facts['text']}"


def _close_time(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    when = {"when": _say_when(facts["close_at"]), "before": _say_when(facts["before"])}
    title = _("Trading now ends on %(when)s instead of %(before)s") % when
    return title, f"{market.title} · {facts['reason']}" if facts["reason"] else market.title


def _corrected(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    amount = {"amount": money(abs(facts["micros"]))}
    if facts["micros"] > 0:
        title = _("The result was corrected: you got %(amount)s") % amount
    elif facts["micros"] < 0:
        title = _("The result was corrected: %(amount)s was taken back") % amount
    else:
        title = _("The result was corrected: nothing changes for you")
    result = describe_payout(market, facts["payout_pips"], facts["number"])
    return title, f"{market.title} · {result}"


def _correcting(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    if facts["state"] == Correction.State.PROPOSED:
        return _("The correction of a result needs a second person"), market.title
    return _("The correction of a result waits: debtors lack funds"), market.title


def _result(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    payout_pips = facts["payout_pips"]
    outcome = describe_payout(market, payout_pips, facts.get("number", ""))
    title = _("Result proposed: %(outcome)s") % {"outcome": outcome}
    until = _("You can dispute it until %(when)s") % {"when": _say_when(facts["final_at"])}
    return title, f"{market.title} · {until}"


def _proposal(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    by = _("proposed by %(handle)s") % {"handle": facts["by"]}
    return _("A market is waiting for approval"), f"{market.title} · {by}"


def _dispute(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    by = _("by %(handle)s") % {"handle": facts["by"]}
    return _("A result is disputed"), f"{market.title} · {by}"


def _judge(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    return _("Trading has ended: give your verdict as a judge"), market.title


def _unresolved(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    title = _("A market waits for a person to decide its result")
    return title, f"{market.title} · {facts['because']}"


def _stopped(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    title = _("The series “%(series)s” stopped: no market could be made") % facts
    return title, facts["because"]


def _standing(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    pips = facts["price_pips"]
    values = _order_values(market, facts)
    values["price"] = _show_price(market, PAYOUT_PIPS - pips if facts["as_no"] else pips, values)
    if values["is_buy"]:
        title = _("Your standing order to buy %(outcome)s at %(price)s ended") % values
    else:
        title = _("Your standing order to sell %(outcome)s at %(price)s ended") % values
    why = {
        "ended": _("its last day is over"),
        "market_closed": _("trading has ended"),
        "insufficient_funds": _("your balance is too low"),
    }.get(facts["reason"], _("it could not be placed"))
    return title, f"{market.title} · {why}"


def _say_when(time: str) -> str:
    return moment(datetime.fromisoformat(time))


def _resolved(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    if facts.get("payout_micros"):
        text = _("Resolved: you were paid %(amount)s, profit %(profit)s")
    else:
        text = _("Resolved: nothing was paid to you, profit %(profit)s")
    return text % _paid(facts), market.title


def _voided(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    """Gains are paid back; without gain or loss no amount is named."""
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
    if not facts["approved"]:
        title = _("Your market needs changes")
    elif market.status in HIDDEN_STATUSES:
        title = _("Your market was approved")
    else:
        title = _("Your market was approved and opened")
    return title, f"{market.title} · {facts['note']}" if facts["note"] else market.title


def _verdict(market: Market, facts: dict[str, Any]) -> tuple[str, str]:
    title = {
        Dispute.Decision.UPHELD: _("Your dispute was upheld: the result is withdrawn"),
        Dispute.Decision.DISMISSED: _("Your dispute was dismissed: the result stands"),
    }.get(facts["decision"]) or _("The result that you disputed was withdrawn")
    bond = {"amount": money(facts.get("bond_micros", 0))}
    bond_text = {
        "returned": _("You got your bond of %(amount)s back") % bond,
        "lost": _("Your bond of %(amount)s is lost") % bond,
    }.get(facts.get("bond_fate", ""))
    return title, " · ".join(part for part in (market.title, bond_text, facts["note"]) if part)


def _money(facts: dict[str, Any]) -> NotificationText:
    """An operator's action on money with the reason, and a link to it."""
    amount = {"amount": money(facts["micros"])}
    title = {
        "grant": _("You were granted %(amount)s"),
        "deposit": _("A deposit of %(amount)s was credited to you"),
        "approve_withdrawal": _("Your withdrawal of %(amount)s was approved"),
        "reject_withdrawal": _("Your withdrawal of %(amount)s was declined"),
        "reject_deposit": _("Your request for a deposit of %(amount)s was declined"),
    }[facts["what"]]
    page = "portfolio_transfers" if facts["what"] in ("grant", "deposit") else "portfolio_money"
    return NotificationText(title % amount, facts["reason"], reverse(page))


def _webhook(facts: dict[str, Any], subject: str) -> NotificationText:
    title = _("A webhook was switched off: too many deliveries failed")
    return NotificationText(title, facts["url"], reverse("account_webhook", args=[UUID(subject)]))


def _paid(facts: dict[str, Any]) -> dict[str, str]:
    payout_micros, net_paid_micros = facts.get("payout_micros", 0), facts.get("net_paid_micros", 0)
    return {
        "amount": money(payout_micros),
        "profit": signed_money(payout_micros - net_paid_micros),
    }


def _show_price(market: Market, pips: int | None, values: dict[str, Any]) -> str:
    return no_price_in(pips, market) if values["is_no"] else price_in(pips, market)


def _order_values(market: Market, facts: dict[str, Any]) -> dict[str, Any]:
    outcome = get_outcome(market, facts["outcome"], as_no=facts["as_no"])
    return {
        "outcome": name_contract(market, outcome.code, is_mirrored=facts["as_no"]).label,
        "is_no": outcome.code == "NO",
        "is_buy": (facts["side"] == BUY) != facts["as_no"],
    }


_WORDS = {
    NotificationKind.FILL: _fill,
    NotificationKind.EXPIRED: _expired,
    NotificationKind.CLOSING: _closing,
    NotificationKind.RESOLVED: _resolved,
    NotificationKind.VOIDED: _voided,
    NotificationKind.DECIDED: _decided,
    NotificationKind.CLARIFIED: _clarified,
    NotificationKind.CLOSE_TIME: _close_time,
    NotificationKind.RESULT: _result,
    NotificationKind.CORRECTED: _corrected,
    NotificationKind.CORRECTING: _correcting,
    NotificationKind.PROPOSAL: _proposal,
    NotificationKind.DISPUTE: _dispute,
    NotificationKind.STANDING: _standing,
    NotificationKind.STOPPED: _stopped,
    NotificationKind.UNRESOLVED: _unresolved,
    NotificationKind.JUDGE: _judge,
    NotificationKind.VERDICT: _verdict,
}
