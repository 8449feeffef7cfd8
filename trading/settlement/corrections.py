"""Corrects the result of a market that was paid: in steps, exactly once.

Each step is one transaction under the lock of the market's row, for the next few thousand accounts:

    holding -> (waiting: debtors lack funds ->) collecting -> paying -> done
                                            `-> releasing -> withdrawn

*Holding* writes a `Settlement` for each account whose payout changes and holds what it owes. If all
have what they owe, or the house pays the rest as an operator confirmed, the correction collects;
from then on it can't be withdrawn. Until then it waits and holds what debtors get meanwhile. The
others are paid last, and in the end the market gets its new result. Each account is moved together
with its row's `moved_at`, so the next step continues after the last one that committed, whoever
runs it and wherever it is killed.

An account's difference is what the new result pays it less what it was paid so far (after a void:
less what it was refunded). A market's fees are the house's with a result and the traders' in a
void, so these move too; and what the house had covered in the settlement before returns to it.
An automated maker's difference is its funders', each by the share that they funded.
All of it passes through the market's escrow, which ends at exactly 0.
"""

# ruff: noqa: S608 - statements are built from the names in this module; every value is bound

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from accounts import ledger
from accounts.actions import get_house_id
from accounts.audit import excerpt
from accounts.models import Transfer
from accounts.models.account import AccountKind, TransferKind
from kernel import bulk
from kernel.units import PIPS_PER_CREDIT, format_amount
from markets.lifecycle import record_status
from markets.models import Correction, Market, Resolution
from trading.models import Margin, Settlement
from trading.pipeline.loading import read_maker_funding
from trading.settlement.payments import CHUNK_MARGINS_MAX, SettlementError, share_out

State = Correction.State
RUNNING: Final = (
    State.HOLDING, State.WAITING, State.COLLECTING, State.PAYING, State.RELEASING
)  # fmt: skip
WITHDRAWABLE: Final = (State.PROPOSED, State.HOLDING, State.WAITING)
_NET: Final = F("difference_micros") + F("liquidity_micros")

_SETTLEMENTS: Final = bulk.Table(
    "trading_settlement",
    {
        "market_id": "bigint",
        "account_id": "bigint",
        "number": "smallint",
        "difference_micros": "bigint",
        "liquidity_micros": "bigint",
        "held_micros": "bigint",
        "lacking_micros": "bigint",
    },
    key=("market_id", "number", "account_id"),
)
_MARGINS: Final = bulk.Table(
    "trading_margin",
    {"market_id": "bigint", "account_id": "bigint", "payout_micros": "bigint"},
    key=("market_id", "account_id"),
)


class SettlementChange(NamedTuple):
    """By how much an account's payout changes, and its share of the maker's rest."""

    difference_micros: int
    liquidity_micros: int

    @property
    def net_micros(self) -> int:
        return self.difference_micros + self.liquidity_micros


# --- public --------------------------------------------------------------------------------------


def list_running() -> QuerySet[Correction]:
    """Return the corrections that have a next step."""
    return Correction.objects.filter(state__in=RUNNING).order_by("proposed_at", "id")


def correct_market(
    market_id: int, *, until: float | None = None, chunk: int = CHUNK_MARGINS_MAX
) -> bool:
    """Carry out a market's correction: at least one step, and more while `until` allows.

    Returns whether nothing is left to do until a person decides.
    """
    while _step(market_id, chunk=chunk):
        if until is not None and time.monotonic() >= until:
            return False
    return True


def list_rows(correction: Correction) -> QuerySet[Settlement]:
    return Settlement.objects.filter(market=correction.market_id, number=correction.number)


def list_debtors(correction: Correction) -> QuerySet[Settlement]:
    """Return the accounts that lack some of what they owe, the most lacking first."""
    lacking = list_rows(correction).filter(lacking_micros__gt=0)
    return lacking.select_related("account__owner").order_by("-lacking_micros", "id")


def sum_lacking_micros(correction: Correction) -> int:
    return list_rows(correction).aggregate(total=Sum("lacking_micros"))["total"] or 0


# --- one step, one transaction -------------------------------------------------------------------


def _step(market_id: int, *, chunk: int) -> bool:
    """Do the next step; return whether there may be another one."""
    with transaction.atomic():
        market = Market.objects.select_for_update(no_key=True).get(pk=market_id)
        correction = list_running().filter(market=market).first()
        if correction is None:
            return False
        correction.market = market
        _STEPS[State(correction.state)](correction, chunk)
        return correction.state in RUNNING and correction.state != State.WAITING


def _hold(correction: Correction, chunk: int) -> None:
    """Hold what the next accounts owe; in the end collect, or wait for a decision."""
    special = _compute_maker_changes(correction)
    window = _read_differences(correction, chunk)
    changes = {
        account_id: SettlementChange(micros, 0)
        for _, account_id, micros in window
        if micros and account_id not in special
    }
    if not correction.last_margin_id:
        changes |= special
    _hold_changes(correction, changes)
    if window:
        correction.last_margin_id = window[-1][0]
        correction.save(update_fields=["last_margin_id"])
    else:
        _decide(correction)


def _hold_more(correction: Correction, chunk: int) -> None:
    """Hold what debtors have got since; then decide again."""
    rows = list_rows(correction).filter(lacking_micros__gt=0).order_by("id")[:chunk]
    _hold_changes(
        correction,
        {
            row.account_id: SettlementChange(row.difference_micros, row.liquidity_micros)
            for row in rows
        },
    )
    _decide(correction)


def _decide(correction: Correction) -> None:
    is_covered = sum_lacking_micros(correction) <= correction.house_cover_micros
    state = State.COLLECTING if is_covered else State.WAITING
    if state != correction.state:
        _move_to(correction, state)


def _hold_changes(correction: Correction, changes: Mapping[int, SettlementChange]) -> None:
    """Write the accounts' settlements and hold what debtors owe and have."""
    if not changes:
        return
    known = list_rows(correction).filter(account__in=changes).order_by()
    held = dict(known.values_list("account_id", "held_micros"))
    balances = ledger.lock(changes)
    rows, holds = [], {}
    for account_id, change in sorted(changes.items()):
        held_micros = held.get(account_id, 0)
        owed_micros = max(0, -change.net_micros) - held_micros
        lacking_micros = 0
        # The house pays what it owes in any case, and its balance may be negative.
        if owed_micros and balances[account_id].kind != AccountKind.HOUSE:
            now_micros = min(owed_micros, max(0, balances[account_id].available_micros))
            holds[account_id] = now_micros
            held_micros += now_micros
            lacking_micros = owed_micros - now_micros
        key = (correction.market_id, account_id, correction.number)
        rows.append((*key, *change, held_micros, lacking_micros))
    ledger.post([], holds=holds)
    _SETTLEMENTS.upsert(bulk.open_cursor(), rows)


def _collect(correction: Correction, chunk: int) -> None:
    """Collect from the next debtors; the house pays what they lack."""
    waiting = list_rows(correction).filter(moved_at=None).annotate(net=_NET)
    rows = list(waiting.filter(net__lt=0).order_by("id")[:chunk])
    if rows:
        _move(correction, rows)
        return
    if correction.payout_pips is None:
        _post(correction, _house(correction), _escrow(correction), _fees(correction), "fee_refund")
    _move_to(correction, State.PAYING)


def _pay(correction: Correction, chunk: int) -> None:
    """Pay the next creditors; when all are paid, finish."""
    rows = list(list_rows(correction).filter(moved_at=None).order_by("id")[:chunk])
    if rows:
        _move(correction, rows)
    else:
        _finish(correction)


def _move(correction: Correction, rows: Sequence[Settlement]) -> None:
    """Move what these accounts owe or get, and add it to their payouts."""
    escrow_id, house_id = _escrow(correction), _house(correction)
    ledger.lock([escrow_id, house_id, *(row.account_id for row in rows)])
    entries: list[ledger.Entry] = []
    for row in rows:
        paid_micros = row.difference_micros + row.lacking_micros
        for micros, kind in (
            (paid_micros, TransferKind.CORRECTION),
            (row.liquidity_micros, TransferKind.LIQUIDITY),
        ):
            entries += _entries(correction, escrow_id, row.account_id, micros, kind)
    lacking_micros = sum(row.lacking_micros for row in rows)
    entries += _entries(correction, house_id, escrow_id, lacking_micros, TransferKind.HOUSE_COVER)
    ledger.post(entries, holds={row.account_id: -row.held_micros for row in rows})
    _MARGINS.add(
        bulk.open_cursor(),
        ("payout_micros",),
        [
            (correction.market_id, row.account_id, row.difference_micros + row.lacking_micros)
            for row in rows
        ],
    )
    moved = Settlement.objects.filter(pk__in=[row.pk for row in rows], moved_at=None)
    if moved.update(moved_at=timezone.now(), held_micros=0) != len(rows):
        raise SettlementError(f"market {correction.market_id}: settled accounts among the others")


def _release(correction: Correction, chunk: int) -> None:
    """Release what the next debtors hold; when nothing is held, the correction is withdrawn."""
    rows = list(list_rows(correction).order_by("id")[:chunk])
    if not rows:
        correction.finished_at = timezone.now()
        _move_to(correction, State.WITHDRAWN)
        return
    holds = {row.account_id: -row.held_micros for row in rows if row.held_micros}
    ledger.lock(holds)
    ledger.post([], holds=holds)
    Settlement.objects.filter(pk__in=[row.pk for row in rows]).delete()


def _finish(correction: Correction) -> None:
    """Give the house what is its own again, and the market its new result."""
    market, escrow_id, house_id = correction.market, _escrow(correction), _house(correction)
    _post(correction, escrow_id, house_id, _sum_covered_before(correction), "house_cover")
    if correction.before_pips is None:
        _post(correction, escrow_id, house_id, _fees(correction), "fee_income")
    left_micros = ledger.lock([escrow_id])[escrow_id].cash_micros
    if left_micros:
        left = format_amount(left_micros)
        raise SettlementError(f"market {market.pk}: {left} is left in escrow by a correction")
    _replace_result(correction)
    for outcome in market.outcomes.all():
        pips = correction.payout_pips
        outcome.payout_pips = None if pips is None else pips[outcome.index]
        outcome.save(update_fields=["payout_pips"])
    Market.objects.filter(pk=market.pk).update(settled_number=correction.observed_number)
    is_void = correction.payout_pips is None
    status = Market.Status.VOIDED if is_void else Market.Status.SETTLED
    record_status(market, status, by=correction.proposed_by, reason=_say_why(correction))
    correction.finished_at = timezone.now()
    _move_to(correction, State.DONE)


def _replace_result(correction: Correction) -> None:
    """Withdraw the market's result, which stays as history, for the corrected one."""
    now = timezone.now()
    Resolution.objects.filter(market=correction.market, withdrawn_at=None).update(
        withdrawn_at=now, withdrawn_by=correction.proposed_by, withdrawn_reason=_say_why(correction)
    )
    Resolution.objects.create(
        market=correction.market,
        payout_pips=correction.payout_pips,
        number=correction.observed_number,
        evidence_text=correction.evidence_text,
        evidence_url=correction.evidence_url,
        proposed_by=correction.proposed_by,
        proposed_at=correction.proposed_at,
        final_at=now,
        approved_by=correction.approved_by,
        approved_at=correction.approved_at,
    )


_STEPS: Final[dict[State, Callable[[Correction, int], None]]] = {
    State.HOLDING: _hold,
    State.WAITING: _hold_more,
    State.COLLECTING: _collect,
    State.PAYING: _pay,
    State.RELEASING: _release,
}


# --- what changes --------------------------------------------------------------------------------


def _read_differences(correction: Correction, chunk: int) -> list[tuple[int, int, int]]:
    """Return (margin, account, difference in micros) of the next margins."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, m.account_id, {_worth(correction)} - m.payout_micros"
            " FROM trading_margin m WHERE m.market_id = %s AND m.id > %s ORDER BY m.id LIMIT %s",
            [correction.market_id, correction.last_margin_id, chunk],
        )
        return [(key, account_id, int(micros)) for key, account_id, micros in cursor.fetchall()]


def _worth(correction: Correction) -> str:
    """Return SQL for what the new result pays in all for a margin `m`."""
    if correction.payout_pips is None:
        return "m.net_paid_micros"
    pips = " ".join(
        f"WHEN {index} THEN {int(pips)}" for index, pips in enumerate(correction.payout_pips)
    )
    return (
        f"({PIPS_PER_CREDIT} * m.collateral_lots + COALESCE((SELECT SUM(p.net_lots *"
        f" CASE p.outcome_index {pips} END) FROM trading_position p"
        " WHERE p.market_id = m.market_id AND p.account_id = m.account_id), 0))"
    )


def _compute_maker_changes(correction: Correction) -> dict[int, SettlementChange]:
    """Return the changes of an automated maker and of those who funded it."""
    maker_id, funding = correction.market.maker_account_id, read_maker_funding(correction.market_id)
    if maker_id is None or not funding:
        return {}
    with connection.cursor() as cursor:
        accounts = ", ".join(str(int(key)) for key in [maker_id, *funding])
        cursor.execute(
            f"SELECT m.account_id, {_worth(correction)} - m.payout_micros,"
            " m.payout_micros - m.net_paid_micros FROM trading_margin m"
            f" WHERE m.market_id = %s AND m.account_id IN ({accounts})",
            [correction.market_id],
        )
        rows = {key: (int(micros), int(gain)) for key, micros, gain in cursor.fetchall()}
    maker_micros, gain_micros = rows.pop(maker_id, (0, 0))
    left_micros = sum(funding.values()) + gain_micros
    before, after = (share_out(left_micros + more, funding) for more in (0, maker_micros))
    changes = {maker_id: SettlementChange(maker_micros, -maker_micros)}
    for account_id in funding:
        own_micros, _gain = rows.get(account_id, (0, 0))
        changes[account_id] = SettlementChange(own_micros, after[account_id] - before[account_id])
    return {account_id: change for account_id, change in changes.items() if any(change)}


def _fees(correction: Correction) -> int:
    margins = Margin.objects.filter(market=correction.market_id)
    return margins.aggregate(total=Sum("fees_micros"))["total"] or 0


def _sum_covered_before(correction: Correction) -> int:
    """Return what the house has paid for others in the settlements before this one."""
    house_id = _house(correction)
    covers = Transfer.objects.filter(
        Q(debit_account=house_id) | Q(credit_account=house_id),
        kind=TransferKind.HOUSE_COVER,
        market_id=correction.market_id,
    )
    paid = sum(
        micros if debit_id == house_id else -micros
        for debit_id, micros in covers.values_list("debit_account_id", "amount_micros")
    )
    return paid - sum_lacking_micros(correction)


# --- helpers -------------------------------------------------------------------------------------


def _say_why(correction: Correction) -> str:
    return excerpt(correction.evidence_text or correction.evidence_url)


def _move_to(correction: Correction, state: Correction.State) -> None:
    correction.state = state
    correction.save(update_fields=["state", "finished_at"])


def _escrow(correction: Correction) -> int:
    assert correction.market.escrow_account_id is not None
    return correction.market.escrow_account_id


def _house(correction: Correction) -> int:
    return get_house_id(correction.market.currency)


def _entries(
    correction: Correction, from_id: int, to_id: int, micros: int, kind: str
) -> Iterable[ledger.Entry]:
    """Return the transfer, in the other direction if the amount is negative; none of nothing."""
    if micros:
        ends = (from_id, to_id) if micros > 0 else (to_id, from_id)
        reference, market_id = correction.pk.hex, correction.market_id
        yield ledger.Entry(*ends, abs(micros), kind, reference, market_id)


def _post(correction: Correction, from_id: int, to_id: int, micros: int, kind: str) -> None:
    ledger.lock([from_id, to_id])
    ledger.post(list(_entries(correction, from_id, to_id, micros, kind)))
