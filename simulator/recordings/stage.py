"""The market of a recorded session: made and opened, closed, resolved and paid out at its end."""

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from accounts.actions import do_create_user, do_grant
from accounts.models import Account, User
from markets.actions import do_create_market
from markets.models import Market
from simulator.recordings.crowd import Member
from simulator.recordings.session import RecordedSession
from trading.actions import do_close_market, do_open_market, do_resolve_market
from trading.settlement.payments import settle_market

FUNDS_MICROS: Final = 10**15
ROLES: Final = ("yes", "no", "taker")
OPERATOR: Final = "recorder"


def do_stage_market(*, name: str, title: str, description: str, rules: str, **terms: Any) -> Market:
    """Create and open a market for a session, closed by its end and not by the clock."""
    operator = get_recorder()
    market = do_create_market(
        by=operator,
        fields={
            "title": f"{title} ({name})"[:200],
            "description": description,
            "rules": rules,
            "close_at": timezone.now() + timedelta(days=365),
            "lot_step_lots": 1,
            "dispute_seconds": 0,
            **terms,
        },
    )
    do_open_market(market, by=operator, reason="a recorded session")
    return market


def do_stage_session(session: RecordedSession, **terms: Any) -> Market:
    return do_stage_market(
        name=session.name,
        title=session.title,
        description=session.description,
        rules=session.rules,
        tick_pips=session.tick_pips,
        **terms,
    )


def do_end_session(market: Market, payout_pips: list[int] | None) -> bool:
    """Close the market and pay out the recorded result; where there is none a person decides."""
    operator = get_recorder()
    market.refresh_from_db()
    do_close_market(market, by=operator, reason="the recording ends")
    if payout_pips is None:
        return False
    do_resolve_market(
        market, by=operator, payout_pips=payout_pips, evidence_text="the recorded result"
    )
    return settle_market(market.pk)


def get_members() -> dict[str, Member]:
    """Return the accounts that stand for the recorded participants, with funds for anything."""
    accounts = {role: _get_rich_account(f"recorded_{role}") for role in ROLES}
    return {role: Member(row.pk, row.owner_id or 0) for role, row in accounts.items()}


def get_recorder() -> User:
    return _get_user(OPERATOR, is_operator=True)


def _get_user(handle: str, *, is_operator: bool = False) -> User:
    user = User.objects.filter(handle=handle).first()
    if user is not None:
        return user
    return do_create_user(
        email=f"{handle}@recordings.invalid",
        handle=handle,
        password=None,
        by=None,
        kind="system",
        is_operator=is_operator,
    )


def _get_rich_account(handle: str) -> Account:
    account = Account.objects.get(owner=_get_user(handle), number=1)
    missing_micros = FUNDS_MICROS - account.cash_micros
    if missing_micros > 0:
        do_grant(account, amount_micros=missing_micros, by=None)
    return account
