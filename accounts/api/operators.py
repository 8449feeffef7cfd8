"""Operators' calls: deposits, decisions on requests, suspensions. Each leaves an audit event."""

import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import (
    do_decide_deposit,
    do_decide_withdrawal,
    do_deposit,
    do_reinstate_user,
    do_suspend_user,
    find_account,
)
from accounts.api import schemas
from accounts.api.base import ApiView
from accounts.idempotency import run_once
from accounts.models import Account, DepositRequest, User, WithdrawalRequest
from kernel.errors import not_found
from kernel.units import format_amount
from web.pagination import paginate


class DepositsView(ApiView):
    operator_permission = "accounts.deposit_credits"

    @extend_schema(
        request=schemas.NewDeposit, parameters=[schemas.IDEMPOTENCY_KEY],
        responses={201: schemas.ShownDeposit},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Deposit credits on somebody's account."""
        body = self.read_body(schemas.NewDeposit)
        account = find_account(body["handle"], body["account"])

        def effect() -> tuple[int, Any]:
            do_deposit(account, amount_micros=body["amount"], by=self.user, reason=body["reason"])
            return 201, _show_deposit(account, body)

        key = request.headers.get("Idempotency-Key")
        status, answer = run_once(self.principal.account_id, key, "deposit", body, effect)
        return Response(answer, status=status)


class OpenWithdrawalsView(ApiView):
    operator_permission = "accounts.decide_withdrawals"

    @extend_schema(
        parameters=[schemas.RequestQuery],
        responses=schemas.page_of(schemas.ShownOpenWithdrawal),
    )
    def get(self, request: Request) -> Response:
        """List everybody's requests to withdraw, newest first."""
        return _list_requests(self, WithdrawalRequest.objects.all())


class DecisionView(ApiView):
    operator_permission = "accounts.decide_withdrawals"

    @extend_schema(request=schemas.Decision, responses=schemas.ShownWithdrawal)
    def post(self, request: Request, withdrawal_id: uuid.UUID) -> Response:
        """Approve a withdrawal (credits leave the exchange) or reject it (they are free again)."""
        rows = WithdrawalRequest.objects.filter(pk=withdrawal_id)
        return _decide(self, rows, do_decide_withdrawal, "this withdrawal")


class OpenDepositsView(ApiView):
    operator_permission = "accounts.decide_deposits"

    @extend_schema(
        parameters=[schemas.RequestQuery],
        responses=schemas.page_of(schemas.ShownOpenDepositRequest),
    )
    def get(self, request: Request) -> Response:
        """List everybody's requests for deposits, newest first."""
        return _list_requests(self, DepositRequest.objects.all())


class DepositDecisionView(ApiView):
    operator_permission = "accounts.decide_deposits"

    @extend_schema(request=schemas.Decision, responses=schemas.ShownDepositRequest)
    def post(self, request: Request, deposit_id: uuid.UUID) -> Response:
        """Approve a request for a deposit (the credits are booked) or reject it."""
        rows = DepositRequest.objects.filter(pk=deposit_id)
        return _decide(self, rows, do_decide_deposit, "this request")


def _list_requests(view: ApiView, rows: QuerySet) -> Response:
    query = view.read_query(schemas.RequestQuery)
    status = query.pop("status")
    rows = rows.select_related("account__owner")
    page = paginate(rows.filter(status=status) if status else rows, order=["-id"], **query)
    return Response(page.to_json(lambda row: schemas.ShownOpenWithdrawal(row).data))


def _decide(view: ApiView, rows: QuerySet, do_decide: Callable[..., Any], what: str) -> Response:
    body = view.read_body(schemas.Decision)
    row = rows.select_related("account").first()
    if row is None:
        raise not_found(what)
    decided = do_decide(
        row, approve=body["decision"] == "approve", by=view.user, reason=body["reason"]
    )
    return Response(schemas.ShownWithdrawal(decided).data)


class SuspendView(ApiView):
    operator_permission = "accounts.suspend_users"

    @extend_schema(request=schemas.SuspensionReason, responses=schemas.ShownStanding)
    def post(self, request: Request, handle: str) -> Response:
        """Stop a user's every credential within a second."""
        do_suspend_user(
            _find_user(handle), by=self.user, **self.read_body(schemas.SuspensionReason)
        )
        return Response(schemas.ShownStanding(_find_user(handle)).data)


class ReinstateView(ApiView):
    operator_permission = "accounts.suspend_users"

    @extend_schema(request=schemas.SuspensionReason, responses=schemas.ShownStanding)
    def post(self, request: Request, handle: str) -> Response:
        do_reinstate_user(
            _find_user(handle), by=self.user, **self.read_body(schemas.SuspensionReason)
        )
        return Response(schemas.ShownStanding(_find_user(handle)).data)


def _find_user(handle: str) -> User:
    user = User.objects.filter(handle=handle).first()
    if user is None:
        raise not_found("this user")
    return user


def _show_deposit(account: Account, body: dict[str, Any]) -> dict[str, Any]:
    account.refresh_from_db(fields=["cash_micros"])
    return {
        "handle": body["handle"],
        "account": account.number,
        "amount": format_amount(body["amount"]),
        "cash": format_amount(account.cash_micros),
    }
