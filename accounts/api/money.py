"""Own balance and ledger; own requests for withdrawals and deposits."""

import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import (
    do_cancel_deposit,
    do_cancel_withdrawal,
    do_request_deposit,
    do_request_withdrawal,
)
from accounts.api import schemas
from accounts.api.base import ApiView
from accounts.api.principal import require_verified
from accounts.idempotency import run_once
from accounts.models import Account, DepositRequest, WithdrawalRequest
from accounts.queries import list_transfers, read_reasons
from accounts.registry import name_markets, value_positions
from kernel.errors import not_found
from web.pagination import bad_cursor, build_page, decode_cursor, paginate

NEWEST_FIRST = ["-id"]


class AccountView(ApiView):
    @extend_schema(responses=schemas.ShownAccount)
    def get(self, request: Request) -> Response:
        """Show the balance. Equity is cash plus the positions' worth now, null if unknown."""
        account: Any = Account.objects.get(pk=self.principal.account_id)
        valuation = value_positions(account.pk)
        positions_micros = valuation.positions_micros
        account.locked_collateral_micros = valuation.locked_collateral_micros
        account.equity_micros = (
            None if positions_micros is None else account.cash_micros + positions_micros
        )
        return Response(schemas.ShownAccount(account).data)


class LedgerView(ApiView):
    @extend_schema(
        parameters=[schemas.LedgerQuery], responses=schemas.page_of(schemas.ShownTransfer)
    )
    def get(self, request: Request) -> Response:
        """List own transfers, newest first."""
        query = self.read_query(schemas.LedgerQuery)
        account_id, limit = self.principal.account_id, query["limit"]
        before = _read_cursor(query["cursor"]) if query["cursor"] else None
        rows = list_transfers(account_id, kind=query["kind"], before=before, count=limit + 1)
        page = build_page(rows, limit, lambda row: [row.id], NEWEST_FIRST)
        slugs = name_markets({row.market_id for row in page.rows if row.market_id is not None})
        reasons = read_reasons(page.rows)
        return Response(page.to_json(lambda row: _show_transfer(row, account_id, slugs, reasons)))


class WithdrawalsView(ApiView):
    @extend_schema(
        parameters=[schemas.RequestQuery], responses=schemas.page_of(schemas.ShownWithdrawal)
    )
    def get(self, request: Request) -> Response:
        """List own requests to withdraw, newest first."""
        return _list_requests(self, WithdrawalRequest.objects.all())

    @extend_schema(
        request=schemas.NewRequest, parameters=[schemas.IDEMPOTENCY_KEY],
        responses={201: schemas.ShownWithdrawal},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Ask to take credits out. The amount is set aside until an operator decides."""
        return _request(self, "withdrawal", do_request_withdrawal)


class WithdrawalView(ApiView):
    @extend_schema(responses={200: schemas.ShownWithdrawal})
    def delete(self, request: Request, request_id: uuid.UUID) -> Response:
        """Take back an own request that is not decided yet; its amount is free again."""
        row = _get_own(WithdrawalRequest.objects.all(), self.principal.account_id, request_id)
        return Response(schemas.ShownWithdrawal(do_cancel_withdrawal(row, by=self.user)).data)


class DepositRequestsView(ApiView):
    @extend_schema(
        parameters=[schemas.RequestQuery], responses=schemas.page_of(schemas.ShownDepositRequest)
    )
    def get(self, request: Request) -> Response:
        """List own requests for deposits, newest first."""
        return _list_requests(self, DepositRequest.objects.all())

    @extend_schema(
        request=schemas.NewRequest, parameters=[schemas.IDEMPOTENCY_KEY],
        responses={201: schemas.ShownDepositRequest},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Ask operators for credits, against something outside; they book it or decline."""
        return _request(self, "deposit_request", do_request_deposit)


class DepositRequestView(ApiView):
    @extend_schema(responses={200: schemas.ShownDepositRequest})
    def delete(self, request: Request, request_id: uuid.UUID) -> Response:
        """Take back an own request that is not decided yet."""
        row = _get_own(DepositRequest.objects.all(), self.principal.account_id, request_id)
        return Response(schemas.ShownDepositRequest(do_cancel_deposit(row, by=self.user)).data)


def _list_requests(view: ApiView, rows: QuerySet) -> Response:
    query = view.read_query(schemas.RequestQuery)
    status = query.pop("status")
    rows = rows.filter(account=view.principal.account_id)
    page = paginate(rows.filter(status=status) if status else rows, order=NEWEST_FIRST, **query)
    return Response(page.to_json(lambda row: schemas.ShownWithdrawal(row).data))


def _request(view: ApiView, operation: str, do_request: Callable[..., Any]) -> Response:
    body = view.read_body(schemas.NewRequest)
    require_verified(view.principal)
    account = Account.objects.get(pk=view.principal.account_id)

    def effect() -> tuple[int, Any]:
        row = do_request(account, amount_micros=body["amount"], by=view.user, note=body["note"])
        return 201, schemas.ShownWithdrawal(row).data

    key = view.request.headers.get("Idempotency-Key")
    status, answer = run_once(account.pk, key, operation, body, effect)
    return Response(answer, status=status)


def _get_own(rows: QuerySet, account_id: int, request_id: uuid.UUID) -> Any:
    row = rows.filter(account=account_id, pk=request_id).first()
    if row is None:
        raise not_found("this request")
    return row


def _read_cursor(cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(decode_cursor(cursor, NEWEST_FIRST)[0])
    except (ValueError, AttributeError):
        raise bad_cursor() from None


def _show_transfer(row: Any, account_id: int, slugs: Any, reasons: Any) -> dict[str, Any]:
    is_incoming = row.credit_account_id == account_id
    other = row.debit_account if is_incoming else row.credit_account
    row.signed_micros = row.amount_micros if is_incoming else -row.amount_micros
    row.counterparty = other.kind
    row.market = slugs.get(row.market_id)
    row.reason = reasons.get(row.id, "")
    return schemas.ShownTransfer(row).data
