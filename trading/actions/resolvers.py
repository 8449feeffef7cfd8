"""Automatic resolvers: named and approved by operators, carried out when their time has come."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q

from accounts.audit import excerpt, record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import ApiError, RefusedError, describe
from markets.actions import lock_market, may_resolve_markets
from markets.models import FINAL_STATUSES, PATIENCE_SECONDS_MAX, AutomaticResolver, Market
from trading.actions.readings import (
    NeverReadableError,
    NotReadableError,
    Reading,
    parse_number,
    read,
)
from trading.actions.results import (
    Proposal,
    check_may_resolve,
    check_proposal,
    propose_result,
)
from web.outbound import OutboundError, check_url

Kind, State = AutomaticResolver.Kind, AutomaticResolver.State
BACKOFF_SECONDS: Final = 5
BACKOFF_SECONDS_MAX: Final = 300
FIELDS: Final = (
    "kind", "url", "value_path", "comparison", "threshold", "threshold_path", "time_path", "source",
    "delay_seconds", "patience_seconds",
)  # fmt: skip


def check_set_resolver(market: Market, *, by: User, fields: Mapping[str, Any]) -> AutomaticResolver:
    """Return the resolver as it would be, unsaved."""
    _check_may_set(market, by)
    resolver = AutomaticResolver(market=market, set_by=by, **fields)
    for name in ("delay_seconds", "patience_seconds"):
        if not 0 <= getattr(resolver, name) <= PATIENCE_SECONDS_MAX:
            raise RefusedError("bad_patience", name)
    if resolver.kind == Kind.MARKET:
        _check_source(resolver)
    else:
        _check_value(resolver)
    return resolver


def do_set_resolver(market: Market, *, by: User, fields: Mapping[str, Any]) -> AutomaticResolver:
    """Let a market be resolved automatically, or by another source than before."""
    with transaction.atomic():
        market = lock_market(market)
        resolver = check_set_resolver(market, by=by, fields=fields)
        AutomaticResolver.objects.filter(market=market).delete()
        resolver.save()
        record_audit("set_resolver", market, by=by, after=_show(resolver))
    return resolver


def do_remove_resolver(market: Market, *, by: User, reason: str = "") -> None:
    """Leave the result to people."""
    with transaction.atomic():
        market = lock_market(market)
        _check_may_set(market, by)
        resolver = _find(market)
        record_audit("remove_resolver", market, by=by, before=_show(resolver), reason=reason)
        resolver.delete()


def check_approve_resolver(market: Market, *, by: User) -> AutomaticResolver:
    _check_may_set(market, by)
    resolver = _find(market)
    if resolver.set_by_id == by.pk:
        raise RefusedError("second_person_needed")
    if resolver.approved_by_id is not None:
        raise RefusedError("already_approved")
    return resolver


def do_approve_resolver(market: Market, *, by: User, reason: str = "") -> None:
    """Be the second person for what this resolver will say, where the policy asks for one."""
    with transaction.atomic():
        market = lock_market(market)
        resolver = check_approve_resolver(market, by=by)
        resolver.approved_by = by
        resolver.save(update_fields=["approved_by"])
        record_audit("approve_resolver", market, by=by, after=_show(resolver), reason=reason)


# --- when its time has come ----------------------------------------------------------------------


def list_due_resolvers(now: datetime) -> list[AutomaticResolver]:
    """Return those that may look now, of markets that are closed."""
    waiting = AutomaticResolver.objects.filter(
        Q(next_at=None) | Q(next_at__lte=now),
        state=State.WAITING,
        market__status=Market.Status.CLOSED,
        market__close_at__lte=now,
    ).select_related("market")
    return [resolver for resolver in waiting.order_by("pk") if resolver.reads_at <= now]


def do_run_resolver(resolver: AutomaticResolver, *, now: datetime) -> None:
    """Look once; propose what it says, try again later, or leave the market to a person."""
    wait = min(BACKOFF_SECONDS * 2 ** min(resolver.attempts, 16), BACKOFF_SECONDS_MAX)
    claimed = AutomaticResolver.objects.filter(
        pk=resolver.pk, state=State.WAITING, attempts=resolver.attempts
    ).update(attempts=F("attempts") + 1, next_at=now + timedelta(seconds=wait))
    if not claimed:
        return  # somebody else is at it
    try:
        reading = read(resolver)
    except NotReadableError as why:
        is_over = now + timedelta(seconds=wait) > resolver.gives_up_at
        _note(resolver, State.PERSON if is_over else State.WAITING, str(why))
    except NeverReadableError as why:
        _note(resolver, State.PERSON, str(why))
    else:
        _propose(resolver, reading)


def _propose(resolver: AutomaticResolver, reading: Reading) -> None:
    try:
        with transaction.atomic():
            market = lock_market(resolver.market)
            current = AutomaticResolver.objects.filter(pk=resolver.pk, state=State.WAITING).first()
            if current is None or market.status != Market.Status.CLOSED:
                return  # changed, or resolved by a person meanwhile
            check_may_resolve(market, current.set_by)
            proposal = Proposal(reading.payout_pips, reading.number, reading.text, reading.url)
            check_proposal(market, proposal)
            propose_result(
                market,
                proposal,
                by=current.set_by,
                approved_by=current.approved_by,
                reading=reading.seen,
            )
            _note(current, State.PROPOSED, "")
    except ApiError as refusal:  # who set it lost the right to, for example
        _note(resolver, State.PERSON, str(describe(refusal)))


def _note(resolver: AutomaticResolver, state: str, because: str) -> None:
    AutomaticResolver.objects.filter(pk=resolver.pk).update(state=state, because=excerpt(because))


# --- small parts ---------------------------------------------------------------------------------


def _check_may_set(market: Market, by: User) -> None:
    if not may_resolve_markets(by):
        raise no_right(by)
    if market.status in (*FINAL_STATUSES, Market.Status.RESOLVING):
        raise RefusedError("result_is_proposed")


def _check_value(resolver: AutomaticResolver) -> None:
    is_number = resolver.kind == Kind.NUMBER
    if is_number and resolver.market.kind != Market.Kind.SCALAR:
        raise RefusedError("market_not_scalar", "kind")
    if not is_number and resolver.market.kind != Market.Kind.BINARY:
        raise RefusedError("market_not_binary", "kind")
    try:
        check_url(resolver.url)
    except OutboundError as refusal:
        raise RefusedError("bad_source_url", "url", detail=str(refusal)) from None
    if not resolver.value_path:
        raise RefusedError("blank.value_path", "value_path")
    if is_number:
        resolver.threshold = resolver.threshold_path = ""
        return
    if bool(resolver.threshold) == bool(resolver.threshold_path):
        raise RefusedError("threshold_unclear", "threshold")
    if resolver.threshold:
        try:
            parse_number(resolver.threshold)
        except NotReadableError:
            raise RefusedError("not_a_number", "threshold") from None


def _check_source(resolver: AutomaticResolver) -> None:
    source, market = resolver.source, resolver.market
    if source is None or source.pk == market.pk:
        raise RefusedError("source_unfit", "source")
    theirs = list(source.outcomes.values_list("code", flat=True))
    if (source.low_millionths, source.high_millionths) != (
        market.low_millionths,
        market.high_millionths,
    ):
        raise RefusedError("source_unfit", "source")
    if theirs != list(market.outcomes.values_list("code", flat=True)):
        raise RefusedError("source_unfit", "source")


def _find(market: Market) -> AutomaticResolver:
    resolver = AutomaticResolver.objects.filter(market=market).first()
    if resolver is None:
        raise RefusedError("no_resolver")
    return resolver


def _show(resolver: AutomaticResolver) -> dict[str, Any]:
    values = {name: getattr(resolver, name) for name in FIELDS if name != "source"}
    values["source"] = None if resolver.source is None else resolver.source.slug
    return values
