"""The result of a market on its page, and the viewer's possible actions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from markets.models import Correction, Dispute, Market, Outcome, Resolution
from markets.queries import find_resolution
from trading import actions
from trading.contracts import describe_payout, name_contract
from trading.engine.types import PAYOUT_PIPS
from trading.models import Settlement

Status = Market.Status


class Paid(NamedTuple):
    outcome: Outcome
    payout_pips: int
    name: str


class Corrected(NamedTuple):
    """A correction of the result, and the viewer's part of it."""

    correction: Correction
    before: str
    after: str
    own: Settlement | None

    @property
    def is_done(self) -> bool:
        return self.correction.state == Correction.State.DONE

    @property
    def own_micros(self) -> int:
        return 0 if self.own is None or not self.is_done else self.own.moved_micros

    @property
    def taken_micros(self) -> int:
        return max(0, -self.own_micros)


class MarketResult(NamedTuple):
    """The active or final result: the payout of each outcome, none for a void."""

    resolution: Resolution | None
    paid: list[Paid]
    is_final: bool
    is_disputable: bool
    own_dispute: Dispute | None
    """The viewer's, decided or not."""
    corrections: list["Corrected"]
    """What has been corrected, or is to be, newest first."""

    @property
    def winner(self) -> Outcome | None:
        """The outcome with the full payout, if there is one."""
        return next((row.outcome for row in self.paid if row.payout_pips == PAYOUT_PIPS), None)

    @property
    def winner_name(self) -> str:
        return next((row.name for row in self.paid if row.payout_pips == PAYOUT_PIPS), "")


def build_result_context(
    request: HttpRequest, market: Market, *, refused: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return `result` (None if there is none yet) and the viewer's possible actions."""
    user = request.user
    may_propose = (
        market.status == Status.CLOSED and user.is_authenticated and _may_say(user, market)
    )
    return {
        "result": _read_result(market, user),
        "may_propose": may_propose,
        "is_panel": hasattr(market, "panel"),
        "result_errors": refused or {},
        "chosen_winners": request.POST.getlist("winners"),
        "typed_payouts": list_typed_payouts(request, market),
    }


def list_typed_payouts(request: HttpRequest, market: Market) -> dict[int, str]:
    """Return what the form says that each outcome pays, by index; none where nothing is typed."""
    typed = {row.index: request.POST.get(f"pays_{row.index}", "") for row in market.outcomes.all()}
    return {index: text for index, text in typed.items() if text.strip()}


def _may_say(user: Any, market: Market) -> bool:
    """Whether the viewer says what happened: as a judge where there is a panel."""
    if hasattr(market, "panel"):
        return actions.find_judge(user, market) is not None
    return actions.may_resolve(user, market)


def _read_result(market: Market, user: Any) -> MarketResult | None:
    if market.status not in (Status.RESOLVING, Status.SETTLED, Status.VOIDED):
        return None
    resolution = find_resolution(market)
    payouts = None if resolution is None else resolution.payout_pips
    outcomes = list(market.outcomes.all())
    names = [name_contract(market, row.code).label for row in outcomes]
    paid = [Paid(row, payouts[row.index], names[row.index]) for row in outcomes] if payouts else []
    own_dispute = None
    if resolution is not None and user.is_authenticated:
        own_dispute = resolution.disputes.filter(raised_by=user).first()
    is_open = market.status == Status.RESOLVING and bool(paid)
    is_disputable = (
        is_open
        and resolution is not None
        and resolution.final_at > timezone.now()
        and user.is_authenticated
        and own_dispute is None
    )
    return MarketResult(
        resolution,
        paid,
        market.status != Status.RESOLVING,
        is_disputable,
        own_dispute,
        _list_corrections(market, user),
    )


def _list_corrections(market: Market, user: Any) -> list[Corrected]:
    gone = (Correction.State.WITHDRAWN, Correction.State.RELEASING)
    rows = market.corrections.exclude(state__in=gone)
    own: dict[int, Settlement] = {}
    if rows and user.is_authenticated:
        settlements = Settlement.objects.filter(market=market, account__owner=user)
        own = {row.number: row for row in settlements.order_by("-account__number")}
    return [
        Corrected(
            row,
            describe_payout(market, row.before_pips, row.before_number),
            describe_payout(market, row.payout_pips, row.observed_number),
            own.get(row.number),
        )
        for row in rows.order_by("-number")
    ]


def describe_result(result: MarketResult) -> str:
    """Return a sentence about the payout."""
    if not result.paid:
        return _("Every trade was undone.")
    if result.resolution is not None and result.resolution.number:
        return _("Result: %(outcome)s") % {"outcome": result.resolution.describe_payout()}
    if result.winner is not None:
        return _("Result: %(outcome)s") % {"outcome": result.winner_name}
    count = sum(1 for row in result.paid if row.payout_pips)
    return ngettext("Result: %(n)d outcome is paid", "Result: %(n)d outcomes share the payout",
                    count) % {"n": count}  # fmt: skip
