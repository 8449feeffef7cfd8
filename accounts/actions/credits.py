"""Grants, deposits and withdrawals, the owners' requests for these, and the accounts of a market.

The issuer represents the outside world: its negative balance is the sum of all credits.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from django.db import transaction
from django.utils import timezone

from accounts import ledger, registry
from accounts.audit import record_audit
from accounts.ledger import Entry
from accounts.models import Account, DepositRequest, User, WithdrawalRequest
from accounts.models.account import CURRENCY, ISSUED_MICROS_MAX, AccountKind
from accounts.policy import get_policy
from accounts.status import check_may_trade
from kernel.errors import RefusedError
from kernel.units import format_amount

WITHDRAWALS_OPEN_MAX = 20
DEPOSITS_OPEN_MAX = 20


class Issue(NamedTuple):
    """New credits for an account."""

    account: Account
    amount_micros: int


def check_issue(account: Account, *, amount_micros: int) -> None:
    if amount_micros <= 0:
        raise RefusedError("amount_not_positive", "amount")
    if account.kind not in {"user", "system", "house"}:
        raise RefusedError("not_a_trading_account")


def check_issue_by_operator(account: Account, *, amount_micros: int, by: User) -> None:
    check_issue(account, amount_micros=amount_micros)
    _check_second_person(account, by)


def do_grant(account: Account, *, amount_micros: int, by: User | None, reason: str = "") -> None:
    """Pay out new credits by policy (`by` None) or by an operator."""
    issue = Issue(account, amount_micros)
    if by is not None:
        do_grant_many([issue], by=by, reason=reason)
        return
    check_issue(account, amount_micros=amount_micros)
    with transaction.atomic():
        _issue([issue], "grant", [None])


def do_grant_many(issues: Sequence[Issue], *, by: User, reason: str) -> None:
    """Give new credits to several accounts, all or none."""
    _issue_by_operator(issues, "grant", by=by, reason=reason)


def do_deposit(account: Account, *, amount_micros: int, by: User, reason: str = "") -> None:
    """Book credits for a value that an operator received outside."""
    _issue_by_operator([Issue(account, amount_micros)], "deposit", by=by, reason=reason)


def _issue_by_operator(issues: Sequence[Issue], kind: str, *, by: User, reason: str) -> None:
    """Each transfer refers to its audit event, which has the reason; owners are notified."""
    for issue in issues:
        check_issue_by_operator(issue.account, amount_micros=issue.amount_micros, by=by)
    with transaction.atomic():
        references = []
        for issue in issues:
            shown = _show_amount(issue.amount_micros)
            event = record_audit(
                f"{kind}_credits", issue.account, by=by, after=shown, reason=reason
            )
            references.append(event.pk.hex)
        _issue(issues, kind, references)
        _notify_owners([(issue.account, kind, issue.amount_micros) for issue in issues], reason)


def check_request_withdrawal(
    account: Account, *, amount_micros: int, available_micros: int
) -> None:
    if amount_micros <= 0:
        raise RefusedError("amount_not_positive", "amount")
    missing_micros = amount_micros - available_micros
    if missing_micros > 0:
        raise RefusedError("insufficient_funds", "amount", missing=format_amount(missing_micros))
    if account.withdrawals.filter(status="requested").count() >= WITHDRAWALS_OPEN_MAX:
        raise RefusedError("too_many_withdrawals")


def do_request_withdrawal(
    account: Account, *, amount_micros: int, by: User, note: str = ""
) -> WithdrawalRequest:
    """Request a withdrawal; until the decision the credits are the account's, but reserved."""
    with transaction.atomic():
        balance = ledger.lock([account.pk])[account.pk]
        check_may_trade(account.pk)
        check_request_withdrawal(
            account, amount_micros=amount_micros, available_micros=balance.available_micros
        )
        ledger.post([], withdrawing={account.pk: amount_micros})
        return _record_request(WithdrawalRequest, account, amount_micros, by=by, note=note)


def do_decide_withdrawal(
    request: WithdrawalRequest, *, approve: bool, by: User, reason: str = ""
) -> WithdrawalRequest:
    """Pay the amount out (to the issuer, the outside world), or release it."""
    _check_second_person(request.account, by)
    issuer_id = get_issuer_id()
    with transaction.atomic():
        ledger.lock([request.account_id, issuer_id])
        request = _decide(request, "approve" if approve else "reject", by=by, reason=reason)
        paid = Entry(
            request.account_id, issuer_id, request.amount_micros, "withdrawal", request.pk.hex
        )
        released = {request.account_id: -request.amount_micros}
        ledger.post([paid] if approve else [], withdrawing=released)
        what = "approve_withdrawal" if approve else "reject_withdrawal"
        _notify_owners([(request.account, what, request.amount_micros)], reason)
    return request


def do_cancel_withdrawal(request: WithdrawalRequest, *, by: User) -> WithdrawalRequest:
    """Cancel one's own request and release the reserved amount."""
    with transaction.atomic():
        ledger.lock([request.account_id])
        check_may_trade(request.account_id)
        request = _decide(request, "cancel", by=by)
        ledger.post([], withdrawing={request.account_id: -request.amount_micros})
    return request


def check_request_deposit(account: Account, *, amount_micros: int) -> None:
    check_issue(account, amount_micros=amount_micros)
    if account.deposits.filter(status="requested").count() >= DEPOSITS_OPEN_MAX:
        raise RefusedError("too_many_deposits")


def do_request_deposit(
    account: Account, *, amount_micros: int, by: User, note: str = ""
) -> DepositRequest:
    """Request a deposit for a value given outside; no money moves until an operator approves."""
    with transaction.atomic():
        ledger.lock([account.pk])  # of two concurrent ones, the second counts the first
        check_may_trade(account.pk)
        check_request_deposit(account, amount_micros=amount_micros)
        return _record_request(DepositRequest, account, amount_micros, by=by, note=note)


def do_decide_deposit(
    request: DepositRequest, *, approve: bool, by: User, reason: str = ""
) -> DepositRequest:
    """Book the amount as a deposit, or decline it."""
    _check_second_person(request.account, by)
    with transaction.atomic():
        request = _decide(request, "approve" if approve else "reject", by=by, reason=reason)
        if approve:
            do_deposit(request.account, amount_micros=request.amount_micros, by=by, reason=reason)
        else:
            _notify_owners([(request.account, "reject_deposit", request.amount_micros)], reason)
    return request


def do_cancel_deposit(request: DepositRequest, *, by: User) -> DepositRequest:
    """Cancel one's own request."""
    with transaction.atomic():
        ledger.lock([request.account_id])
        check_may_trade(request.account_id)
        return _decide(request, "cancel", by=by)


Request = TypeVar("Request", WithdrawalRequest, DepositRequest)
REQUEST_NAMES: Final = {WithdrawalRequest: "withdrawal", DepositRequest: "deposit"}
STATUS_AFTER: Final = {"approve": "approved", "reject": "rejected", "cancel": "cancelled"}


def _record_request(
    model: type[Request], account: Account, amount_micros: int, *, by: User, note: str
) -> Request:
    request = model.objects.create(account=account, amount_micros=amount_micros, note=note)
    _record_act("request", request, by=by)
    return request


def _decide(request: Request, verb: str, *, by: User, reason: str = "") -> Request:
    # The conditional update is the lock: of two concurrent decisions only one finds it requested.
    model = type(request)
    decided = model.objects.filter(pk=request.pk, status="requested").update(
        status=STATUS_AFTER[verb], decided_at=timezone.now(), decided_by=by, reason=reason
    )
    if not decided:
        raise RefusedError("already_decided")
    request = model.objects.select_related("account").get(pk=request.pk)
    _record_act(verb, request, by=by, reason=reason)
    return request


def _record_act(verb: str, request: Request, *, by: User, reason: str = "") -> None:
    action = f"{verb}_{REQUEST_NAMES[type(request)]}"
    amount = _show_amount(request.amount_micros)
    record_audit(action, request, by=by, after=amount, reason=reason)


def _issue(issues: Sequence[Issue], kind: str, references: Sequence[str | None]) -> None:
    issuer_id = get_issuer_id()
    issuer = ledger.lock([issuer_id, *(issue.account.pk for issue in issues)])[issuer_id]
    total_micros = sum(issue.amount_micros for issue in issues)
    if issuer.cash_micros - total_micros < -ISSUED_MICROS_MAX:
        raise RefusedError("too_much_issued", "amount")
    ledger.post(
        [
            Entry(issuer_id, issue.account.pk, issue.amount_micros, kind, reference)
            for issue, reference in zip(issues, references, strict=True)
        ]
    )


def _notify_owners(done: Sequence[tuple[Account, str, int]], reason: str) -> None:
    """Notify owners of what was done about their money: account, kind, amount."""
    registry.notify_of_money(
        [
            registry.MoneyNews(account.owner_id, what, amount_micros, reason)
            for account, what, amount_micros in done
            if account.kind == AccountKind.USER and account.owner_id is not None
        ]
    )


def _check_second_person(account: Account, by: User) -> None:
    if account.owner_id == by.pk and get_policy().two_person_rule:
        raise RefusedError("second_person_needed")


def _show_amount(amount_micros: int) -> dict[str, str]:
    return {"amount": format_amount(amount_micros)}


def get_issuer_id(currency: str = CURRENCY) -> int:
    return _founding_id("issuer", currency)


def get_house_id(currency: str = CURRENCY) -> int:
    return _founding_id("house", currency)


def _founding_id(kind: str, currency: str) -> int:
    return Account.objects.values_list("pk", flat=True).get(kind=kind, currency=currency)


def do_open_market_accounts(market_id: int, currency: str = CURRENCY) -> tuple[Account, Account]:
    """Return the market's escrow and fee accounts, created if missing."""
    escrow, _ = Account.objects.get_or_create(
        market_id=market_id, kind="escrow", defaults={"currency": currency}
    )
    fees, _ = Account.objects.get_or_create(
        market_id=market_id, kind="fees", defaults={"currency": currency}
    )
    return escrow, fees


def do_open_maker_account(market_id: int, currency: str = CURRENCY) -> Account:
    """Return the account of the market's automated maker, made unless it is there."""
    account, _ = Account.objects.get_or_create(
        market_id=market_id, kind="maker", defaults={"currency": currency}
    )
    return account
