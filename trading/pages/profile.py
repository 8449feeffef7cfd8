"""`/@<handle>/`: a user's public profile: their markets and forecasting record."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from kernel.errors import not_found
from markets.models import HIDDEN_STATUSES, Market
from trading.models import Margin
from trading.pages import rows
from trading.pipeline.instruments import build_instrument
from trading.readmodels.holdings import list_holdings, list_margins
from trading.readmodels.track_record import Bin, TrackRecord, read_track_record
from web.pagination import paginate

MARKETS_SHOWN: Final = 20
POSITIONS_SHOWN: Final = 10
PLOT_SIZE: Final = 300
PLOT_MARGIN: Final = 36
PLOT_TOP: Final = 14
PLOT_RIGHT: Final = 16
RADIUS_MIN: Final = 4
RADIUS_MAX: Final = 14


class Dot(NamedTuple):
    """A bin of the calibration plot, in units of the drawing."""

    x: int
    y: int
    radius: int
    bin: Bin


class Plot(NamedTuple):
    """The calibration plot: a square of `size`, with a `margin` left and below for labels."""

    dots: list[Dot]
    ticks: list[tuple[int, int, int]]  # (percent, x, y)
    size: int = PLOT_SIZE
    margin: int = PLOT_MARGIN

    @property
    def left(self) -> int:
        return self.margin - 6

    @property
    def right(self) -> int:
        return self.margin + self.size

    @property
    def bottom(self) -> int:
        return self.size + PLOT_TOP

    @property
    def below(self) -> int:
        return self.bottom + 18

    @property
    def whole(self) -> int:
        return self.size + self.margin + PLOT_RIGHT


@require_safe
def profile(request: HttpRequest, handle: str) -> HttpResponse:
    person = User.objects.filter(handle=handle).first()
    is_own = person is not None and person == request.user
    if person is None or not (is_own or is_shown(person)):
        raise not_found("this page")
    account = Account.objects.filter(owner=person, number=1).first()
    record = None if account is None else read_track_record(account.pk)
    made = Market.objects.listed_for(request.user).filter(creator=person)
    page = paginate(
        made.exclude(status__in=HIDDEN_STATUSES).select_related("category"),
        order=["-created_at", "slug"],
        cursor=request.GET.get("cursor", ""),
        limit=MARKETS_SHOWN,
    )
    context = {
        "person": person,
        "is_own": is_own,
        "is_hidden": not is_shown(person),
        "record": record,
        "plot": None if record is None else draw_plot(record),
        "markets": page.rows,
        "more_href": f"?cursor={page.next_cursor}" if page.next_cursor else "",
        "positions": _list_positions(request, person, account),
    }
    return render(request, "trading/profile.html", context)


def is_shown(person: User) -> bool:
    """Return whether others see it: unknown, deleted, suspended and private are treated alike."""
    return person.public_profile and person.is_active and not person.is_suspended


def draw_plot(record: TrackRecord) -> Plot:
    most = max((one.forecasts for one in record.bins), default=0)
    return Plot(
        [_draw_dot(one, most) for one in record.bins if one.forecasts],
        [(percent, *_place(percent / 100, percent / 100)) for percent in range(0, 101, 20)],
    )


def _draw_dot(one: Bin, most: int) -> Dot:
    """Return a dot whose area grows with the number of forecasts."""
    assert one.mean_probability is not None
    assert one.share_happened is not None
    share: float = (one.forecasts / most) ** 0.5
    radius = round(RADIUS_MIN + (RADIUS_MAX - RADIUS_MIN) * share)
    return Dot(*_place(one.mean_probability, one.share_happened), radius, one)


def _place(x: float, y: float) -> tuple[int, int]:
    return PLOT_MARGIN + round(x * PLOT_SIZE), PLOT_TOP + round((1 - y) * PLOT_SIZE)


def _list_positions(
    request: HttpRequest, person: User, account: Account | None
) -> Sequence[rows.PositionRow]:
    """Return the latest shared positions in markets listed for the viewer."""
    if account is None or not person.shares_positions:
        return []
    margins: QuerySet[Margin] = (
        list_margins(account.pk)
        .filter(payout_micros=None, market__in=Market.objects.listed_for(request.user))
        .order_by("-id")[:POSITIONS_SHOWN]
    )
    markets = rows.read_markets([margin.market_id for margin in margins])
    instruments = {market.pk: build_instrument(market) for market in markets.values()}
    positions = [
        rows.build_position(holding, markets[holding.market_id])
        for holding in list_holdings(list(margins), instruments)
    ]
    return [row for row in positions if row.lines]
