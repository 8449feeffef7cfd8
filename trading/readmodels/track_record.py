"""A user's forecasting record, from the positions that they held to the end.

A *forecast* is a position that an account held when its market was paid out: contracts of one
outcome, or of its complement (NO), without complete sets. Its probability is the average price
paid: YES bought at 0.60 is a forecast of 60% for YES, NO bought at 0.30 is one of 30% for NO (70%
for YES: the score is the same). The outcome is the contract's payout: 1, 0, or a part where the
result was split. Voided markets, and markets left before the end, do not count.

- Brier score: the mean over forecasts of (probability - outcome)^2. 0 is perfect; forecasting 50%
  every time scores 0.25. (G. W. Brier, Verification of forecasts expressed in terms of
  probability, 1950; each outcome held is one forecast of yes or no.)
- Calibration: forecasts in ten bins of 10 points; of those in a bin, the mean probability and the
  share that happened. On the diagonal both are equal. A price is a lower bound of the buyer's
  belief, so above the diagonal means: bought for less than it was worth.

Each forecast counts once, however large it was, so that one big bet does not decide the record.
Profit is over all markets that were paid out, including voided ones and those left early: payouts
minus payments, fees included.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from django.db.models import Count, F, Sum

from markets.models import Market, Outcome
from trading.engine.margin import compute_position_lots, new_account
from trading.engine.types import PAYOUT_PIPS
from trading.models import Margin, Position

BINS: Final = 10
ONE_PPM: Final = 1_000_000
PPM_PER_PIP: Final = ONE_PPM // PAYOUT_PIPS


class Forecast(NamedTuple):
    """Both in millionths, exact: 0.3 is 300,000."""

    probability_ppm: int
    happened_ppm: int

    def mirror(self) -> "Forecast":
        """Return the forecast of the complement."""
        return Forecast(ONE_PPM - self.probability_ppm, ONE_PPM - self.happened_ppm)

    @property
    def probability(self) -> float:
        return self.probability_ppm / ONE_PPM

    @property
    def happened(self) -> float:
        return self.happened_ppm / ONE_PPM


class Bin(NamedTuple):
    """Forecasts of [low, high) percent; the means are None if there are none."""

    low: int
    high: int
    forecasts: int
    mean_probability: float | None
    share_happened: float | None


class TrackRecord(NamedTuple):
    """Without forecasts `brier` and means are None. `markets` counts all that were traded."""

    markets: int
    profit_micros: int
    forecasts: int
    brier: float | None
    mean_probability: float | None
    share_happened: float | None
    bins: list[Bin]


def read_track_record(account_id: int) -> TrackRecord:
    """Return the track record, in four queries."""
    paid = Margin.objects.filter(account=account_id, market__settled_at__isnull=False)
    paid = paid.exclude(net_paid_micros=0, payout_micros=0, fees_micros=0)
    sums = paid.aggregate(
        markets=Count("pk"), profit=Sum(F("payout_micros") - F("net_paid_micros"))
    )
    return build_track_record(
        list_forecasts(account_id), markets=sums["markets"], profit_micros=sums["profit"] or 0
    )


def build_track_record(
    forecasts: Sequence[Forecast], *, markets: int, profit_micros: int
) -> TrackRecord:
    brier = _mean((one.probability - one.happened) ** 2 for one in forecasts)
    return TrackRecord(
        markets,
        profit_micros,
        len(forecasts),
        brier,
        _mean(one.probability for one in forecasts),
        _mean(one.happened for one in forecasts),
        [_build_bin(index, forecasts) for index in range(BINS)],
    )


def list_forecasts(account_id: int) -> list[Forecast]:
    """Return the forecasts of an account, by market and outcome."""
    rows = Position.objects.filter(account=account_id, market__status=Market.Status.SETTLED)
    positions: dict[int, dict[int, Position]] = {}
    for row in rows.order_by("market_id", "outcome_index"):
        positions.setdefault(row.market_id, {})[row.outcome_index] = row
    held = [market_id for market_id, own in positions.items() if _holds_anything(own.values())]
    binary = set(
        Market.objects.filter(pk__in=held)
        .exclude(kind=Market.Kind.CATEGORICAL)
        .values_list("pk", flat=True)
    )
    payouts: dict[int, list[int]] = {}
    outcomes = Outcome.objects.filter(market_id__in=held).order_by("market_id", "index")
    for market_id, pips in outcomes.values_list("market_id", "payout_pips"):
        payouts.setdefault(market_id, []).append(pips or 0)
    return [
        forecast
        for market_id in held
        for forecast in _read_market(
            positions[market_id], payouts[market_id], binary=market_id in binary
        )
    ]


def _holds_anything(positions: Iterable[Position]) -> bool:
    return any(position.net_lots for position in positions)


def _read_market(
    positions: dict[int, Position], payouts_pips: list[int], *, binary: bool
) -> list[Forecast]:
    books = 1 if binary else len(payouts_pips)
    state = new_account(0, books)
    for outcome, position in positions.items():
        state.net_lots[outcome] = position.net_lots
    forecasts = []
    for outcome, position in positions.items():
        held_lots = compute_position_lots(state, outcome, binary=binary)
        if held_lots and position.net_lots:
            paid = abs(position.cost_micros) * PPM_PER_PIP, abs(position.net_lots)
            bought = Forecast(_round_half_up(*paid), payouts_pips[outcome] * PPM_PER_PIP)
            forecasts.append(bought if held_lots > 0 else bought.mirror())
    return forecasts


def _build_bin(index: int, forecasts: Sequence[Forecast]) -> Bin:
    inside = [one for one in forecasts if _find_bin(one) == index]
    width = 100 // BINS
    return Bin(
        index * width,
        (index + 1) * width,
        len(inside),
        _mean(one.probability for one in inside),
        _mean(one.happened for one in inside),
    )


def _find_bin(forecast: Forecast) -> int:
    return min(forecast.probability_ppm * BINS // ONE_PPM, BINS - 1)


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _mean(numbers: Iterable[float]) -> float | None:
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else None
