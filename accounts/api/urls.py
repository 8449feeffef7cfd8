"""The calls of this app, under /api/v1/."""

from uuid import UUID

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from accounts.api import auth, me, money, operators, subaccounts
from kernel.ids import check_id


class IdConverter:
    regex = "[0-9a-fA-F-]{32,36}"

    def to_python(self, value: str) -> UUID:
        return UUID(check_id(value))

    def to_url(self, value: UUID) -> str:
        return value.hex


class HandleConverter(StringConverter):
    regex = "[a-z0-9_]{3,30}"


register_converter(IdConverter, "id")
register_converter(HandleConverter, "handle")

urlpatterns = [
    path("auth/register", auth.RegisterView.as_view()),
    path("auth/login", auth.LogInView.as_view()),
    path("auth/refresh", auth.RefreshView.as_view()),
    path("auth/logout", auth.LogOutView.as_view()),
    path("me", me.MeView.as_view()),
    path("keys", me.KeysView.as_view()),
    path("keys/<id:key_id>", me.KeyView.as_view()),
    path("limits", me.LimitsView.as_view()),
    path("account", money.AccountView.as_view()),
    path("ledger", money.LedgerView.as_view()),
    path("withdrawals", money.WithdrawalsView.as_view()),
    path("withdrawals/<id:request_id>", money.WithdrawalView.as_view()),
    path("deposits", money.DepositRequestsView.as_view()),
    path("deposits/<id:request_id>", money.DepositRequestView.as_view()),
    path("subaccounts", subaccounts.SubaccountsView.as_view()),
    path("subaccounts/transfers", subaccounts.FundsMovesView.as_view()),
    path("operator/deposits", operators.DepositsView.as_view()),
    path("operator/withdrawals", operators.OpenWithdrawalsView.as_view()),
    path("operator/withdrawals/<id:withdrawal_id>", operators.DecisionView.as_view()),
    path("operator/deposit-requests", operators.OpenDepositsView.as_view()),
    path("operator/deposit-requests/<id:deposit_id>", operators.DepositDecisionView.as_view()),
    path("operator/users/<handle:handle>/suspend", operators.SuspendView.as_view()),
    path("operator/users/<handle:handle>/reinstate", operators.ReinstateView.as_view()),
]
