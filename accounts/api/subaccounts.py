"""Sub-accounts of the owner, and transfers between them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import do_move_funds, do_open_subaccount
from accounts.actions.subaccounts import SUBACCOUNTS_MAX
from accounts.api.base import ApiView
from accounts.api.principal import list_account_ids, require_main, require_verified
from accounts.api.schemas import IDEMPOTENCY_KEY, page_of
from accounts.idempotency import run_once
from accounts.models import Account
from accounts.models.account import MAIN_NUMBER
from accounts.queries import list_internal_transfers
from kernel.errors import not_found
from web.fields import AmountField, IdField, IntegerField, StrictSerializer, TimeField
from web.pagination import PageQuery, paginate

LAST: int = SUBACCOUNTS_MAX - 1


class FundsMove(StrictSerializer):
    from_subaccount = IntegerField(min_value=0, max_value=LAST, help_text="0: the main account.")
    to_subaccount = IntegerField(min_value=0, max_value=LAST)
    amount = AmountField()


class ShownSubaccount(serializers.Serializer):
    subaccount = serializers.IntegerField(help_text="0: the main account.")
    cash = AmountField(source="cash_micros")
    held = AmountField(source="held_micros")
    withdrawing = AmountField(source="withdrawing_micros")
    available = AmountField(source="available_micros")
    created_at = TimeField()
    closed_at = TimeField(allow_null=True)


class SubaccountList(serializers.Serializer):
    results = ShownSubaccount(many=True)


class ShownFundsMove(serializers.Serializer):
    id = IdField()
    from_subaccount = serializers.IntegerField(source="debit_account.subaccount")
    to_subaccount = serializers.IntegerField(source="credit_account.subaccount")
    amount = AmountField(source="amount_micros")
    created_at = TimeField()


class SubaccountsView(ApiView):
    write_scope = "trade"

    @extend_schema(operation_id="subaccounts_list", responses=SubaccountList)
    def get(self, request: Request) -> Response:
        """List own accounts, the main one first; at most 64. A sub-account's key sees its own."""
        rows = Account.objects.filter(pk__in=list_account_ids(self.principal)).order_by("number")
        return Response({"results": ShownSubaccount(rows, many=True).data})

    @extend_schema(operation_id="subaccounts_open", request=None, responses={201: ShownSubaccount})
    def post(self, request: Request) -> Response:
        """Open the next sub-account: with a balance, positions, orders and keys of its own."""
        require_main(self.principal)
        require_verified(self.principal)
        account = do_open_subaccount(self.user, by=self.user)
        return Response(ShownSubaccount(account).data, status=201)


class FundsMovesView(ApiView):
    write_scope = "trade"

    @extend_schema(
        operation_id="subaccounts_transfers", parameters=[PageQuery],
        responses=page_of(ShownFundsMove),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List transfers between own accounts, newest first."""
        rows = list_internal_transfers(list_account_ids(self.principal))
        page = paginate(rows, order=["-id"], **self.read_query(PageQuery))
        return Response(page.to_json(lambda row: ShownFundsMove(row).data))

    @extend_schema(
        operation_id="subaccounts_transfer", request=FundsMove, parameters=[IDEMPOTENCY_KEY],
        responses={201: ShownFundsMove},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Move free credits between two own accounts, at once."""
        require_main(self.principal)
        body = self.read_body(FundsMove)
        source, target = (self._find(body[f"{end}_subaccount"]) for end in ("from", "to"))

        def effect() -> tuple[int, Any]:
            moved = do_move_funds(source, target, amount_micros=body["amount"])
            return 201, ShownFundsMove(moved).data

        key = request.headers.get("Idempotency-Key")
        account_id = self.principal.account_id
        status, answer = run_once(account_id, key, "subaccount_transfer", body, effect)
        return Response(answer, status=status)

    def _find(self, subaccount: int) -> Account:
        own = Account.objects.filter(owner=self.principal.owner_id)
        account = own.filter(number=subaccount + MAIN_NUMBER).first()
        if account is None:
            raise not_found("this sub-account")
        return account
