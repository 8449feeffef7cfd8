"""Why the viewer can't trade in a market right now, and what they can do about it."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.api.principal import principal_of_user
from kernel.errors import AuthError, describe
from markets import context as exchange_context
from markets.models import Market
from trading import context as trading_context

Status = Market.Status


class Obstacle(NamedTuple):
    """`code` is for scripts and tests."""

    code: str
    text: str
    link: str = ""
    label: str = ""


def find_obstacle(request: HttpRequest, market: Market) -> Obstacle | None:
    """Return the obstacle to placing an order, None if there is none.

    A missing log-in (`sign_up`) does not hide the ticket; only its button differs.
    """
    return _find_of_market(market) or _find_of_exchange(request) or _find_of_user(request.user)


def _find_of_market(market: Market) -> Obstacle | None:
    texts = {
        Status.DRAFT: _("This is a draft. It can be traded when it has been approved and opened."),
        Status.PROPOSED: _("This market is waiting for an operator's approval."),
        Status.HALTED: _("Trading is halted in this market. You can cancel your orders."),
        Status.CLOSED: _("Trading has ended. The result comes next."),
        Status.RESOLVING: _("Trading has ended. A result is proposed."),
        Status.SETTLED: _("This market is settled."),
        Status.VOIDED: _("Trading has ended."),
    }
    status = Status(market.status)
    if status in texts:
        return Obstacle(status.value, texts[status])
    if market.close_at <= timezone.now():
        return Obstacle(Status.CLOSED.value, texts[Status.CLOSED])
    return None


def _find_of_exchange(request: HttpRequest) -> Obstacle | None:
    exchange = exchange_context.exchange(request)["exchange"]
    if exchange.maintenance:
        return Obstacle("maintenance", _("The exchange is in maintenance: you can only read."))
    if exchange.trading_halted:
        return Obstacle("exchange_halted", _("Trading is halted on the whole exchange."))
    if trading_context.trading(request)["engine_away"]:
        text = _("The matching engine is away. You can read, but not trade, for now.")
        return Obstacle("engine_away", text)
    return None


def _find_of_user(user: Any) -> Obstacle | None:
    if not user.is_authenticated:
        return Obstacle("sign_up", "")
    try:
        principal = principal_of_user(user)
    except AuthError as refusal:
        return Obstacle(refusal.code, describe(refusal))
    if not principal.is_verified:
        text = _("Confirm your e-mail address before you trade.")
        return Obstacle("email_not_verified", text, reverse("account_email"), _("Confirm it now"))
    return None
