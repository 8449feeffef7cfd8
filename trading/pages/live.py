"""The live parts of a market's page as rendered by the server: chart, book, tape, shares.

`build_context` reads it all in a constant number of queries. The browser takes over from there:
static/js/market-live.js follows the feed and renders the same markup again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from msgspec import Struct
from msgspec.structs import replace

from accounts.context import json_for_script
from accounts.templatetags.predex import percent
from kernel.clock import to_datetime
from markets import context as exchange_context
from markets.models import HIDDEN_STATUSES, Market
from markets.templatetags.scalars import chance_in
from trading.contracts import name_contract
from trading.feed.reads import book_from_database, read_lasts
from trading.feed.replica import find_tops
from trading.models import Order, Trade
from trading.pages import lines
from trading.pages.history import RANGES, read_history
from trading.pages.ladder import ROWS_MAX, Ladder, build_ladder
from trading.pages.lines import Drawing, LineRange, Look
from trading.pipeline.instruments import Instrument, build_instrument
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import DepthLevel, Sides, Top
from trading.pipeline.snapshot import consistent_read
from trading.readmodels.marks import compute_mark
from trading.wire.levels import compute_implied_levels, find_best_prices, split_levels
from trading.wire.render import SIDE_NAMES

LINES_SHOWN: Final = 4
DRAWN_POINTS_MAX: Final = 120
TAPE_MAX: Final = 50
NAMED_IN_SUMMARY: Final = 3
EMBED_HEIGHTS: Final = {
    Market.Kind.BINARY: 260,
    Market.Kind.SCALAR: 260,
    Market.Kind.CATEGORICAL: 360,
}
DEFAULT_RANGE: Final = "ALL"
NO_VIEW: Final = "no"


class OutcomeNow(Struct, frozen=True):
    """An outcome with a book, a taker's best prices, and its line; `rank` 0 is the likeliest."""

    index: int
    code: str
    name: str
    bid_pips: int | None
    ask_pips: int | None
    last_pips: int | None
    half_pips: int | None
    rank: int = 0
    withdrawn_pips: int | None = None
    """What it pays, of an outcome that was withdrawn."""

    @property
    def look(self) -> Look:
        return lines.choose_look(self.rank)

    @property
    def is_shown(self) -> bool:
        return self.rank < LINES_SHOWN


class TapeRow(NamedTuple):
    ts_us: int
    outcome: OutcomeNow
    side: str
    price_pips: int
    quantity_lots: int

    @property
    def moment(self) -> datetime:
        return to_datetime(self.ts_us)


class ChartView(NamedTuple):
    range: str
    ranges: list[tuple[str, str, str]]
    drawing: Drawing
    figures: list[tuple[OutcomeNow, LineRange]]

    @property
    def is_empty(self) -> bool:
        return not any(line for _, line in self.drawing.polylines)


class BookPanel(NamedTuple):
    """`nobody` explains by side why it is empty."""

    outcome: OutcomeNow
    as_no: bool
    ladder: Ladder
    nobody: dict[str, str]


class Live(NamedTuple):
    """`outcomes` are those with a book, most probable first; `summary` is one line of plain text.

    `config` is the scripts' configuration, as JSON for a script element.
    """

    market: Market
    binary: bool
    beside: str
    seq: int
    outcomes: list[OutcomeNow]
    chart: ChartView
    book: BookPanel
    tape: list[TapeRow]
    summary: str
    url: str
    embed_code: str
    config: SafeString


class _Moment(NamedTuple):
    """A market at one sequence number."""

    seq: int
    levels: list[DepthLevel]
    lasts: dict[int, int]
    trades: list[Trade]
    ladders: list[Sides]
    """The automated maker's, by book, if there is one."""


def build_context(request: HttpRequest, market: Market) -> dict[str, Any]:
    """Return `live` for the templates of `trading/market/`, from 8 queries at most.

    The query may say `range` (of RANGES), `book` (an outcome's code) and `view` (yes or no).
    """
    instrument = build_instrument(market)
    with consistent_read():
        moment = _read_moment(market)
    outcomes = list_outcomes(market, moment)
    by_index = {outcome.index: outcome for outcome in outcomes}
    url = settings.SITE_URL.rstrip("/") + reverse("market", args=[market.slug])
    live = Live(
        market=market,
        binary=instrument.binary,
        beside=_name_beside(instrument),
        seq=moment.seq,
        outcomes=outcomes,
        chart=build_chart(instrument, outcomes, request.GET.get("range", DEFAULT_RANGE)),
        book=_build_book(request, market, moment, outcomes),
        tape=[
            TapeRow(
                trade.created_at_us,
                by_index[trade.outcome_index],
                SIDE_NAMES[trade.taker_side],
                trade.price_pips,
                trade.quantity_lots,
            )
            for trade in moment.trades
        ],
        summary=summarise(market, outcomes),
        url=url,
        embed_code=build_embed_code(market),
        config=build_config(request, market, outcomes),
    )
    return {"live": live}


def read_outcomes(market: Market) -> list[OutcomeNow]:
    """Return the outcomes that have a book, most probable first, as of the last commit."""
    with consistent_read():
        moment = _read_moment(market)
    return list_outcomes(market, moment)


def list_outcomes(market: Market, moment: _Moment) -> list[OutcomeNow]:
    tops = {top.outcome: top for top in find_tops(moment.levels, moment.ladders)}
    offers = find_best_prices(build_instrument(market), tops)
    found = []
    for outcome in list(market.outcomes.all())[: market.book_count]:
        top, last_pips = (
            tops.get(outcome.index) or Top(outcome.index),
            moment.lasts.get(outcome.index),
        )
        worth = compute_mark(top.best_bid_pips, top.best_ask_pips, last_pips).half_pips
        name = name_contract(market, outcome.code).label
        found.append(
            OutcomeNow(
                outcome.index,
                outcome.code,
                name,
                *offers[outcome.index],
                last_pips,
                worth,
                withdrawn_pips=outcome.withdrawn_pips,
            )
        )
    found.sort(key=lambda row: (row.withdrawn_pips is not None, -(row.half_pips or 0)))
    return [replace(outcome, rank=rank) for rank, outcome in enumerate(found)]


def build_chart(
    instrument: Instrument, outcomes: Sequence[OutcomeNow], range_name: str
) -> ChartView:
    range_name = range_name if range_name in RANGES else DEFAULT_RANGE
    shown = [outcome for outcome in outcomes if outcome.is_shown]
    read = read_history(
        instrument,
        range_name,
        outcomes=[outcome.index for outcome in shown],
        points_max=DRAWN_POINTS_MAX,
    )
    return ChartView(
        range_name,
        [(name, *_name_range(name)) for name in RANGES],
        lines.draw(read.times, [(outcome.look, read.lines[outcome.index]) for outcome in shown]),
        [(outcome, lines.sum_up(read.lines[outcome.index])) for outcome in shown],
    )


def summarise(market: Market, outcomes: Sequence[OutcomeNow]) -> str:
    """Return the market's prices in one line, for previews of its link."""
    known = [outcome for outcome in outcomes if outcome.half_pips is not None]
    if not known:
        return _("No price yet. Be the first to trade.")
    if market.is_scalar:
        return _("The market expects %(number)s") % {
            "number": chance_in(known[0].half_pips, market)
        }
    if market.has_one_book:
        return _("%(percent)s chance") % {"percent": percent(known[0].half_pips)}
    return " · ".join(
        _("%(outcome)s %(percent)s")
        % {"outcome": outcome.name, "percent": percent(outcome.half_pips)}
        for outcome in known[:NAMED_IN_SUMMARY]
    )


def is_embeddable(market: Market) -> bool:
    """Return whether the market is public, and so may be embedded on any page."""
    return market.visibility != Market.Visibility.GROUP and market.status not in HIDDEN_STATUSES


def build_embed_code(market: Market) -> str:
    """Return the <iframe> that embeds the market; "" if that is not allowed."""
    if not is_embeddable(market):
        return ""
    source = settings.SITE_URL.rstrip("/") + reverse("embed", args=[market.slug])
    height = EMBED_HEIGHTS[Market.Kind(market.kind)]
    context = {"source": source, "title": market.title, "height": height}
    return render_to_string("trading/market/embed_code.html", context).strip()


def name_status(status: str) -> str:
    names = {
        "draft": _("Draft"),
        "proposed": _("Proposed"),
        "open": _("Open"),
        "halted": _("Halted"),
        "closed": _("Closed"),
        "resolving": _("Resolving"),
        "settled": _("Settled"),
        "voided": _("Voided"),
    }
    return names[status]


def build_config(
    request: HttpRequest, market: Market, outcomes: Sequence[OutcomeNow]
) -> SafeString:
    return json_for_script(
        {
            "market": market.slug,
            "binary": market.has_one_book,
            "beside": _name_beside(build_instrument(market)),
            "book_url": f"/api/v1/markets/{market.slug}/book",
            "status": market.status,
            "is_over": market.close_at <= timezone.now(),
            "outcomes": [
                {
                    "code": outcome.code,
                    "name": outcome.name,
                    "colour": outcome.look.colour,
                    "dash": outcome.look.dash,
                    "shown": outcome.is_shown,
                }
                for outcome in outcomes
            ],
            "signed_in": request.user.is_authenticated,
            "history_url": reverse("market_history", args=[market.slug]),
            "candles_url": f"/api/v1/markets/{market.slug}/candles",
            "words": build_words(),
        }
    )


def build_words() -> dict[str, Any]:
    """Return the scripts' texts, which fill in the placeholders in braces."""
    return {
        "changes": {
            "open": _("This market is open: you can trade now."),
            "halted": _("This market is now halted. Orders can be cancelled, but not placed."),
            "closed": _("This market is now closed. Its result comes next."),
            "resolving": _("A result is proposed for this market."),
            "settled": _("This market is settled."),
            "voided": _("This market was voided."),
        },
        "buy": _("Buy"),
        "sell": _("Sell"),
        "nobody": {status: describe_empty(status) for status in Market.Status.values},
        "row": _("{price}, {total} contracts at this price or better"),
        "own": _("{quantity} of them yours"),
        "beside": {
            "implied": _("{quantity} of them from the other outcomes"),
            "maker": _("{quantity} of them from the market maker"),
        },
        "spread": _("Spread {spread}"),
        "depth": _("{total} contracts at {price} or better"),
        "candle": _("open {open}, high {high}, low {low}, close {close}, volume {volume}"),
        "no_candles": _("No trades in this range."),
    }


def describe_empty(status: str) -> dict[str, str]:
    """Return why a side of the book may be empty, by side: asks, then bids."""
    if status == Market.Status.OPEN:
        return {
            "ask": _("No sell orders. Place a buy order and wait for a seller."),
            "bid": _("No buy orders. Place a sell order and wait for a buyer."),
        }
    if status == Market.Status.HALTED:
        return {
            "ask": _("No sell orders. Trading is halted."),
            "bid": _("No buy orders. Trading is halted."),
        }
    if status in HIDDEN_STATUSES:
        text = _("No orders: trading has not begun.")
        return {"ask": text, "bid": text}
    return {
        "ask": _("No sell orders: trading has ended."),
        "bid": _("No buy orders: trading has ended."),
    }


def find_book_status(request: HttpRequest, market: Market) -> str:
    """Return the effective status for orders: from market, closing time and exchange."""
    if market.status == Market.Status.OPEN:
        if market.close_at <= timezone.now():
            return Market.Status.CLOSED
        exchange = exchange_context.exchange(request)["exchange"]
        if exchange.trading_halted or exchange.maintenance:
            return Market.Status.HALTED
    return market.status


def _name_range(name: str) -> tuple[str, str]:
    """Return a range's short label for its button, and its name."""
    names = {
        "1H": (pgettext("range", "1H"), _("Last hour")),
        "6H": (pgettext("range", "6H"), _("Last 6 hours")),
        "1D": (pgettext("range", "1D"), _("Last day")),
        "1W": (pgettext("range", "1W"), _("Last week")),
        "ALL": (pgettext("range", "All"), _("Since the first trade")),
    }
    return names[name]


def _build_book(
    request: HttpRequest, market: Market, moment: _Moment, outcomes: Sequence[OutcomeNow]
) -> BookPanel:
    code = request.GET.get("book", "")
    chosen = next((outcome for outcome in outcomes if outcome.code == code), outcomes[0])
    as_no = request.GET.get("view", "") == NO_VIEW
    own = _read_own_lots(request.user, market, chosen.index)
    nobody = describe_empty(find_book_status(request, market))
    books = split_levels(moment.levels, market.book_count)
    beside = _find_beside(build_instrument(market), books, moment, chosen.index)
    ladder = build_ladder(books[chosen.index], beside, own, as_no=as_no)
    return BookPanel(chosen, as_no, ladder, nobody)


def _name_beside(instrument: Instrument) -> str:
    """Return what there is beside the orders of a book: "implied" prices, a "maker", or nothing."""
    if instrument.has_maker:
        return "maker"
    return "implied" if instrument.matches_across else ""


def _find_beside(
    instrument: Instrument,
    books: Sequence[Sides],
    moment: _Moment,
    outcome: int,
) -> Sides:
    if instrument.matches_across and outcome not in instrument.withdrawn_pips:
        return compute_implied_levels(books, outcome)
    return moment.ladders[outcome] if moment.ladders else ([], [])


def _read_own_lots(user: Any, market: Market, outcome: int) -> dict[tuple[int, int], int]:
    if not user.is_authenticated:
        return {}
    orders = Order.objects.filter(account__owner=user, account__number=1, market=market).open()
    rows = orders.filter(outcome_index=outcome).values_list("side", "price_pips")
    return {(side, pips): lots for side, pips, lots in rows.annotate(lots=Sum("remaining_lots"))}


def _read_moment(market: Market) -> _Moment:
    seq, _ts_us, levels = book_from_database(market.pk)
    lasts = read_lasts({market.pk: seq})[market.pk]
    trades = list(Trade.objects.filter(market=market).order_by("-id")[:TAPE_MAX])
    ladders = []
    if market.maker_b_lots is not None:
        ladders = read_ladders([market.pk], levels_max=ROWS_MAX).get(market.pk, [])
    return _Moment(seq, levels, lasts, trades, ladders)
