"""Updates a market's row from its engine, inside the transaction that journals the command."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from structlog.contextvars import bound_contextvars

from accounts.audit import record_audit
from accounts.models import User
from accounts.templatetags.predex import price
from kernel.clock import to_datetime
from kernel.units import format_price
from markets.lifecycle import IllegalStatusChangeError, record_status
from markets.models import Clarification, Market
from trading.engine.commands import Configure
from trading.engine.types import MarketStatus, Withdrawal
from trading.pipeline.config import config_of

STATUSES = {
    MarketStatus.OPEN: Market.Status.OPEN,
    MarketStatus.HALTED: Market.Status.HALTED,
    MarketStatus.CLOSED: Market.Status.CLOSED,
}
_ACTS = {
    Market.Status.OPEN: "open_market",
    Market.Status.HALTED: "halt_market",
    Market.Status.CLOSED: "close_market",
}


def record_configured(market_id: int, command: Configure) -> None:
    """Update the market's row and history; for an operator also write an audit event.

    Raises IllegalStatusChangeError, which fails the command: `trading.actions` has checked before
    sending it, so this happens only in a race (a draft edited meanwhile).
    """
    market = Market.objects.select_for_update(no_key=True).get(pk=market_id)
    status = STATUSES[command.status]
    if market.status == Market.Status.DRAFT and config_of(market) != command.config:
        raise IllegalStatusChangeError(market.status, status)
    before = _show(market)
    _take_terms(market, command)
    if market.status != status:
        record_status(market, status, by=_find_decider(command), reason=command.why)
    if command.by_user_id is not None:
        _audit(market, command, before)


def _take_terms(market: Market, command: Configure) -> None:
    config = command.config
    market.tick_pips = config.tick_pips
    market.position_limit_lots = config.position_limit_lots
    if config.close_at_us is not None:
        market.close_at = to_datetime(config.close_at_us)
    market.save(update_fields=["tick_pips", "position_limit_lots", "close_at"])
    for gone in config.withdrawn or ():
        outcomes = market.outcomes.filter(index=gone.outcome, withdrawn_at=None)
        if outcomes.update(withdrawn_pips=gone.pays_pips, withdrawn_at=timezone.now()):
            _announce_withdrawn(market, command, gone)


def _announce_withdrawn(market: Market, command: Configure, gone: Withdrawal) -> None:
    """Add to the rules what happened, which who has something at stake is notified of."""
    by = _find_decider(command)
    said = {
        "outcome": market.outcomes.get(index=gone.outcome).name,
        "price": price(gone.pays_pips),
        "reason": command.why,
    }
    text = gettext("“%(outcome)s” was withdrawn and pays %(price)s. %(reason)s") % said
    if by is not None:
        Clarification.objects.create(market=market, by=by, text=text.strip())


def _audit(market: Market, command: Configure, before: dict[str, Any]) -> None:
    by, after = _find_decider(command), _show(market)
    with bound_contextvars(request_id=command.request_id):
        record_audit(
            _name_act(before, after), market, by=by, before=before, after=after, reason=command.why
        )


def _name_act(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the audit action, from the market before and after."""
    change = (before["status"], after["status"])
    if change == (Market.Status.HALTED, Market.Status.OPEN):
        return "resume_market"
    if before["status"] != after["status"]:
        return _ACTS[after["status"]]
    if before["close_at"] != after["close_at"]:
        return "change_close_time"
    if before["withdrawn"] != after["withdrawn"]:
        return "withdraw_outcome"
    return "refine_tick" if before["tick"] != after["tick"] else "configure_market"


def _find_decider(command: Configure) -> User | None:
    if command.by_user_id is None:
        return None
    return User.objects.filter(pk=command.by_user_id).first()


def _show(market: Market) -> dict[str, Any]:
    return {
        "status": market.status,
        "tick": format_price(market.tick_pips),
        "close_at": market.close_at,
        "position_limit_lots": market.position_limit_lots,
        "withdrawn": {
            code: format_price(pips or 0)
            for code, pips in market.outcomes.exclude(withdrawn_at=None).values_list(
                "code", "withdrawn_pips"
            )
        },
    }
