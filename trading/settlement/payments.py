"""Pays out the result of a market, or voids the market: in steps, exactly once.

Such a market is `resolving` and its active result is *due*: the dispute window is over, no dispute
is undecided, and a second person has approved where the policy requires it.

Each step is one transaction under the lock of the market's row. It takes the next few thousand
margins with payout_micros null, in order of id, sets their payout and moves the money, accounts
locked in order of id. So a step is atomic: no matter which process runs it, how often, and where
it is killed, the next step continues after the last one that committed.

With s lots bought minus sold, collateral c and payouts v (pips), an account gets
D x c + sum of v x s, and escrow ends at exactly 0; then the market's fees are the house's, and what
an automated maker has left goes back to those who funded it.
Void, with N all that an account paid minus all it received, fees included: first N is collected
where it is negative (the house pays what such an account lacks, up to the amount that an operator
confirmed); then the fees go back to escrow and all other accounts get N.
"""

# ruff: noqa: S608 - statements are built from the names in this module; every value is bound

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts import ledger
from accounts.actions import get_house_id
from accounts.models import Account, Transfer
from accounts.models.account import TransferKind
from accounts.models.policy import Policy
from kernel.units import PIPS_PER_CREDIT, format_amount
from markets.lifecycle import record_status
from markets.models import FINAL_STATUSES, Dispute, Market, Resolution
from trading.pipeline.loading import read_maker_funding

log = structlog.get_logger(__name__)

CHUNK_MARGINS_MAX: Final = 5_000
"""Margins paid per transaction, during which their accounts cannot trade elsewhere."""

_RANGE: Final = "m.market_id = %(market_id)s AND m.id BETWEEN %(first)s AND %(last)s"
_GAINERS: Final = "m.net_paid_micros < 0"
_OTHERS: Final = "m.net_paid_micros >= 0"
_EVERYBODY: Final = "TRUE"

# An account's available cash once this market's hold on it is released.
_FREE: Final = "a.cash_micros - a.withdrawing_micros - a.held_micros + m.held_micros"


class SettlementError(Exception):
    """A market's escrow does not end at exactly 0: it is not finalised until that is resolved."""


class CoverNeeded(Exception):  # noqa: N818 - a state, not an error
    """The house would have to pay more than the operator confirmed."""


class Payment(NamedTuple):
    """A locked market being paid out, with its result and its escrow and fee accounts."""

    market: Market
    result: Resolution
    payout_pips: list[int] | None
    """By outcome; None voids the market."""
    escrow_id: int
    fees_id: int
    house_id: int


# --- public --------------------------------------------------------------------------------------


def list_due() -> QuerySet[Resolution]:
    """Return the results that are due for payout."""
    due = Resolution.objects.filter(
        withdrawn_at=None, final_at__lte=timezone.now(), market__status=Market.Status.RESOLVING
    ).exclude(pk__in=Dispute.objects.filter(decision="").values("resolution"))
    if Policy.objects.get(pk=1).two_person_rule:
        due = due.filter(approved_at__isnull=False)
    return due.order_by("final_at", "id")


def settle_market(
    market_id: int, *, until: float | None = None, chunk: int = CHUNK_MARGINS_MAX
) -> bool:
    """Pay out a market: at least one step, and more while `until` (time.monotonic) allows.

    Returns whether the market is final now.
    """
    last_id: int | None = 0
    while last_id is not None:
        try:
            last_id = _step(market_id, after_id=last_id, chunk=chunk)
        except CoverNeeded as cover:
            log.warning("void_waits_for_confirmation", market_id=market_id, because=str(cover))
            return False
        if until is not None and time.monotonic() >= until:
            break
    return Market.objects.filter(pk=market_id, status__in=FINAL_STATUSES).exists()


def compute_house_cover_micros(market_id: int) -> int:
    """Return what the house would pay in total if the market were voided now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(lacking) FROM (SELECT CASE"
            " WHEN m.payout_micros IS NOT NULL THEN m.payout_micros - m.net_paid_micros"
            f" WHEN a.kind = 'house' OR {_FREE} >= -m.net_paid_micros THEN 0"
            f" ELSE -m.net_paid_micros - ({_FREE}) END AS lacking"
            " FROM trading_margin m JOIN accounts_account a ON a.id = m.account_id"
            f" WHERE m.market_id = %s AND {_GAINERS}) AS gone",
            [market_id],
        )
        return int(cursor.fetchone()[0] or 0)


# --- one step, one transaction -------------------------------------------------------------------


def _step(market_id: int, *, after_id: int, chunk: int) -> int | None:
    """Pay the next margins and return the last one's id; None if there was nothing to do."""
    with transaction.atomic():
        _prefer_indexes()
        payment = _claim(market_id)
        if payment is None:
            return None
        for condition, pay in _plan(payment):
            window = _next_window(payment, condition, after_id=after_id, chunk=chunk)
            if window is None and after_id:
                window = _next_window(payment, condition, after_id=0, chunk=chunk)
            if window is not None:
                pay(payment, window)
                return window["last"]
        _finish(payment)
    return None


def _prefer_indexes() -> None:
    """Make PostgreSQL look up a few thousand accounts by index instead of scanning all."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def _claim(market_id: int) -> Payment | None:
    """Lock the market and return its payment, or None if its result is not due."""
    market = Market.objects.select_for_update(no_key=True).get(pk=market_id)
    result = list_due().filter(market=market).first()
    if result is None:
        return None
    assert market.escrow_account_id is not None
    assert market.fees_account_id is not None
    return Payment(
        market,
        result,
        result.payout_pips,
        market.escrow_account_id,
        market.fees_account_id,
        get_house_id(market.currency),
    )


def _plan(payment: Payment) -> list[tuple[str, Callable[[Payment, dict[str, int]], None]]]:
    """Return the phases of the payout in order."""
    if payment.payout_pips is None:
        return [(_GAINERS, _collect), (_OTHERS, _pay_back)]
    return [(_EVERYBODY, _pay_result)]


def _next_window(
    payment: Payment, condition: str, *, after_id: int, chunk: int
) -> dict[str, int] | None:
    """Return the id range of the next margins to pay."""
    market_id = payment.market.pk
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT MIN(id), MAX(id) FROM (SELECT m.id FROM trading_margin m WHERE m.market_id = %s"
            f" AND m.payout_micros IS NULL AND m.id > %s AND {condition} ORDER BY m.id LIMIT %s)"
            " AS next",
            [market_id, after_id, chunk],
        )
        first, last = cursor.fetchone()
    return None if first is None else {"market_id": market_id, "first": first, "last": last}


def _pay_result(payment: Payment, window: dict[str, int]) -> None:
    """Pay each account of the window the payout of its positions."""
    assert payment.payout_pips is not None
    _lock_accounts(payment, window, _EVERYBODY)
    pips = " ".join(
        f"WHEN {index} THEN {int(pips)}" for index, pips in enumerate(payment.payout_pips)
    )
    _set_payout(
        window,
        _EVERYBODY,
        f"{PIPS_PER_CREDIT} * m.collateral_lots + COALESCE((SELECT SUM(p.net_lots *"
        f" CASE p.outcome_index {pips} END) FROM trading_position p"
        " WHERE p.market_id = m.market_id AND p.account_id = m.account_id), 0)",
    )
    _move(payment, window, _EVERYBODY, kind="settlement")


def _collect(payment: Payment, window: dict[str, int]) -> None:
    """Collect accounts' gains; the house covers what they lack, up to the confirmed amount."""
    _lock_accounts(payment, window, _GAINERS, payment.house_id)
    _set_payout(
        window,
        _GAINERS,
        "(SELECT CASE"
        f" WHEN a.kind = 'house' OR {_FREE} >= -m.net_paid_micros THEN m.net_paid_micros"
        f" ELSE -({_FREE}) END FROM accounts_account a WHERE a.id = m.account_id)",
    )
    lacking_micros = _sum(window, _GAINERS, "m.payout_micros - m.net_paid_micros")
    covered_micros = _sum_covered(payment) + lacking_micros
    if covered_micros > (payment.result.house_cover_micros or 0):
        raise CoverNeeded(f"at least {format_amount(covered_micros)} is needed")
    _move(payment, window, _GAINERS, kind="void", into_escrow=True)
    if lacking_micros:
        _post(payment, payment.house_id, payment.escrow_id, lacking_micros, "house_cover")


def _pay_back(payment: Payment, window: dict[str, int]) -> None:
    """Refund all other accounts; first the market's fees return to escrow."""
    _lock_accounts(payment, window, _OTHERS, payment.fees_id)
    _empty_fees(payment, payment.escrow_id, "fee_refund")
    _set_payout(window, _OTHERS, "m.net_paid_micros")
    _move(payment, window, _OTHERS, kind="void")


def _finish(payment: Payment) -> None:
    """Transfer fees to the house and a maker's rest to its funders; set the final status."""
    market, escrow_id, fees_id = payment.market, payment.escrow_id, payment.fees_id
    maker_id, funding = market.maker_account_id, read_maker_funding(market.pk)
    makers = [] if maker_id is None else [maker_id]
    accounts = ledger.lock([escrow_id, fees_id, payment.house_id, *makers, *funding])
    if maker_id is not None:
        _return_liquidity(payment, maker_id, accounts[maker_id].cash_micros, funding)
    if payment.payout_pips is not None:
        _empty_fees(payment, payment.house_id, "fee_income")
    elif accounts[fees_id].cash_micros:
        raise SettlementError(f"market {market.pk}: fees are left over in a void")
    if accounts[escrow_id].cash_micros:
        left = format_amount(accounts[escrow_id].cash_micros)
        raise SettlementError(f"market {market.pk}: {left} is left in escrow")
    if payment.payout_pips is None:
        record_status(market, Market.Status.VOIDED, by=None, reason=payment.result.evidence_text)
        return
    for outcome in market.outcomes.all():
        outcome.payout_pips = payment.payout_pips[outcome.index]
        outcome.save(update_fields=["payout_pips"])
    if payment.result.number:
        Market.objects.filter(pk=market.pk).update(settled_number=payment.result.number)
    record_status(market, Market.Status.SETTLED, by=None)


def _return_liquidity(
    payment: Payment, maker_id: int, left_micros: int, funding: Mapping[int, int]
) -> None:
    """Give what a maker has left to those who funded it."""
    for account_id, share_micros in share_out(left_micros, funding).items():
        if share_micros:
            _post(payment, maker_id, account_id, share_micros, "liquidity")


def share_out(left_micros: int, funding: Mapping[int, int]) -> dict[int, int]:
    """Divide what a maker has left among those who funded it, as they funded it.

    What does not divide goes to the first: who funded it when the market opened.
    """
    total_micros = sum(funding.values())
    shares = {
        account_id: left_micros * funded_micros // total_micros if total_micros else 0
        for account_id, funded_micros in funding.items()
    }
    if shares:
        shares[next(iter(shares))] += left_micros - sum(shares.values())
    return shares


# --- statements ----------------------------------------------------------------------------------


def _lock_accounts(payment: Payment, window: dict[str, int], condition: str, *also: int) -> None:
    ledger.lock_set(
        f"SELECT m.account_id FROM trading_margin m WHERE {_RANGE} AND {condition}",
        window,
        also=[payment.escrow_id, *also],
    )


def _set_payout(window: dict[str, int], condition: str, payout: str) -> None:
    """Claim the margins of a window by setting their payout, once."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE trading_margin AS m SET payout_micros = {payout}"
            f" WHERE {_RANGE} AND {condition} AND m.payout_micros IS NULL",
            window,
        )
        claimed = cursor.rowcount
    count = _sum(window, condition, "1")
    if claimed != count:
        raise SettlementError(f"market {window['market_id']}: paid margins among those to be paid")


def _move(
    payment: Payment,
    window: dict[str, int],
    condition: str,
    *,
    kind: str,
    into_escrow: bool = False,
) -> None:
    """Transfer the payouts of a window's margins, and release this market's holds."""
    amount = "-m.payout_micros" if into_escrow else "m.payout_micros"
    ledger.post_set(
        f"SELECT m.account_id, {amount} AS amount_micros, m.held_micros AS released_micros"
        f" FROM trading_margin m WHERE {_RANGE} AND {condition}",
        window,
        pot_id=payment.escrow_id,
        into_pot=into_escrow,
        kind=kind,
        reference=payment.result.pk.hex,
        market_id=payment.market.pk,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE trading_margin AS m SET held_micros = 0 WHERE {_RANGE} AND m.held_micros > 0"
            f" AND {condition}",
            window,
        )


def _sum(window: dict[str, int], condition: str, what: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT SUM({what}) FROM trading_margin m WHERE {_RANGE} AND {condition}", window
        )
        return int(cursor.fetchone()[0] or 0)


def _sum_covered(payment: Payment) -> int:
    """Return what the house has paid so far; ids sort by time, the result's among them."""
    covers = Transfer.objects.filter(
        debit_account=payment.house_id,
        id__gt=payment.result.pk,
        kind=TransferKind.HOUSE_COVER,
        market_id=payment.market.pk,
    )
    return covers.aggregate(total=Sum("amount_micros"))["total"] or 0


def _empty_fees(payment: Payment, to_account_id: int, kind: str) -> None:
    fees_micros = Account.objects.values_list("cash_micros", flat=True).get(pk=payment.fees_id)
    if fees_micros:
        _post(payment, payment.fees_id, to_account_id, fees_micros, kind)


def _post(payment: Payment, from_id: int, to_id: int, amount_micros: int, kind: str) -> None:
    reference, market_id = payment.result.pk.hex, payment.market.pk
    ledger.post([ledger.Entry(from_id, to_id, amount_micros, kind, reference, market_id)])
