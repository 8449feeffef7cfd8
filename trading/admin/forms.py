"""What an operator is asked before something is done to one market: a form, and its `do_`."""

from collections.abc import Collection
from typing import Any, ClassVar

from django import forms

from accounts.models import User
from accounts.units import MICROS_PER_CREDIT, PIPS_PER_CREDIT, format_amount, format_price
from markets.models import TICKS_PIPS, Market
from trading.actions import (
    do_change_close_time,
    do_refine_tick,
    do_resolve_market,
    do_void_market,
)
from trading.settlement import compute_house_cover_micros

Status = Market.Status


class MarketForm(forms.Form):
    """`statuses` are those of markets for which it is offered; the `do_` has the last word."""

    title: ClassVar[str]
    statuses: ClassVar[Collection[str]]

    def __init__(self, *args: Any, market: Market, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.market = market
        self.prepare()

    def prepare(self) -> None:
        """Set what depends on the market."""

    def act(self, by: User) -> None:
        """Do it; raises ApiError where it is refused."""
        raise NotImplementedError


class ResolveForm(MarketForm):
    title = "Propose a result"
    statuses = (Status.CLOSED,)
    evidence_text = forms.CharField(required=False, widget=forms.Textarea)
    evidence_url = forms.URLField(required=False, assume_scheme="https")

    def prepare(self) -> None:
        payouts = {}
        for outcome in self.market.outcomes.all():
            payouts[f"payout_{outcome.index}"] = forms.DecimalField(
                label=f"{outcome.name} ({outcome.code}) pays",
                min_value=0,
                max_value=1,
                max_digits=5,
                decimal_places=4,
                initial=0,
            )
        self.fields = {**payouts, **self.fields}

    def act(self, by: User) -> None:
        count = self.market.outcomes.count()
        credits = [self.cleaned_data[f"payout_{index}"] for index in range(count)]
        do_resolve_market(
            self.market,
            by=by,
            payout_pips=[int(payout * PIPS_PER_CREDIT) for payout in credits],
            evidence_text=self.cleaned_data["evidence_text"],
            evidence_url=self.cleaned_data["evidence_url"],
        )


class VoidForm(MarketForm):
    title = "Void"
    statuses = (Status.OPEN, Status.HALTED, Status.CLOSED, Status.RESOLVING)
    reason = forms.CharField(max_length=500)
    house_cover = forms.DecimalField(
        min_value=0, max_digits=19, decimal_places=6, initial=0, label="The house pays at most"
    )

    def prepare(self) -> None:
        needed_micros = compute_house_cover_micros(self.market.pk)
        self.fields["house_cover"].help_text = (
            "Everybody gets back what they paid in. For gains that are gone the house would pay"
            f" {format_amount(needed_micros)} now."
        )

    def act(self, by: User) -> None:
        do_void_market(
            self.market,
            by=by,
            reason=self.cleaned_data["reason"],
            house_cover_micros=int(self.cleaned_data["house_cover"] * MICROS_PER_CREDIT),
        )


class CloseTimeForm(MarketForm):
    title = "Move the close time"
    statuses = (Status.OPEN, Status.HALTED)
    close_at = forms.DateTimeField(help_text="UTC, like 2026-07-01 12:00")
    reason = forms.CharField(max_length=500)

    def prepare(self) -> None:
        self.fields["close_at"].initial = self.market.close_at

    def act(self, by: User) -> None:
        do_change_close_time(self.market, by=by, **self.cleaned_data)


class TickForm(MarketForm):
    title = "Refine the tick"
    statuses = (Status.HALTED,)
    tick_pips = forms.TypedChoiceField(label="Tick", coerce=int)
    reason = forms.CharField(max_length=500)

    def prepare(self) -> None:
        now_pips = self.market.tick_pips
        finer = [pips for pips in TICKS_PIPS if pips < now_pips and now_pips % pips == 0]
        field: Any = self.fields["tick_pips"]
        field.choices = [(pips, format_price(pips)) for pips in finer]

    def act(self, by: User) -> None:
        do_refine_tick(self.market, by=by, **self.cleaned_data)


FORMS: dict[str, type[MarketForm]] = {
    "resolve": ResolveForm,
    "void": VoidForm,
    "close-time": CloseTimeForm,
    "tick": TickForm,
}
