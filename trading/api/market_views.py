"""Public data of visible markets: trades, candles, prices, without accounts."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.schemas import ChoiceField
from kernel.clock import format_time, from_datetime
from kernel.units import format_price, format_quantity
from markets.queries import get_market
from trading.api.own import NoQuery
from trading.api.show_own import show_half_pips
from trading.models import Trade
from trading.pipeline.instruments import Instrument, build_instrument
from trading.readmodels.marks import compute_mark
from trading.readmodels.queries import Bar, list_bars, read_quotes
from trading.wire import schema
from trading.wire.commands import NO, find_outcome
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES, show_price
from web.fields import IntegerField, TextField, TimeField
from web.pagination import PageQuery, bad_cursor, build_page, decode_cursor, paginate

INTERVALS = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
MINUTE_US = 60_000_000
CANDLES_MAX = 1_000
MINUTE_MAX = 10**9


class TradeQuery(PageQuery):
    outcome = TextField(max_length=32, default=None)


class CandleQuery(PageQuery):
    """Candles that begin in [start, end), newest first."""

    interval = ChoiceField(choices=list(INTERVALS), default="1m")
    outcome = TextField(max_length=32, default=None)
    start = TimeField(default=None)
    end = TimeField(default=None)
    limit = IntegerField(default=200, min_value=1, max_value=CANDLES_MAX)


class MarketDataView(ApiView):
    read_scope = None

    def get_instrument(self, slug: str) -> Instrument:
        return build_instrument(get_market(slug, user=self.request.user))


class TradesView(MarketDataView):
    @extend_schema(
        operation_id="markets_trades", parameters=[TradeQuery], responses=schema.PublicTradePage
    )
    def get(self, request: Request, slug: str) -> Response:
        """List a market's trades, newest first, as its books saw them."""
        instrument = self.get_instrument(slug)
        query = self.read_query(TradeQuery)
        trades = Trade.objects.filter(market=instrument.id)
        if query["outcome"] is not None:
            trades = trades.filter(outcome_index=find_outcome(query["outcome"], instrument)[0])
        page = paginate(trades, order=["-id"], cursor=query["cursor"], limit=query["limit"])
        return Response(page.to_json(lambda trade: show_trade(trade, instrument)))


class CandlesView(MarketDataView):
    @extend_schema(
        operation_id="markets_candles", parameters=[CandleQuery], responses=schema.CandlePage
    )
    def get(self, request: Request, slug: str) -> Response:
        """List candles of one outcome, newest first; intervals without any change have none.

        But the first one from `start` on always has: it carries in what was known before.
        """
        instrument = self.get_instrument(slug)
        query = self.read_query(CandleQuery)
        width, limit = INTERVALS[query["interval"]], query["limit"]
        outcome, as_no = find_outcome(query["outcome"], instrument)
        order = (f"-start/{width}",)
        bars = list_bars(
            instrument.id,
            outcome,
            width=width,
            start=None if query["start"] is None else _minute(query["start"]),
            before=_find_end(query, order),
            count=limit + 1,
        )
        page = build_page(bars, limit, lambda bar: [bar.start], order)
        return Response(page.to_json(lambda bar: show_bar(bar, as_no=as_no)))


class PricesView(MarketDataView):
    @extend_schema(operation_id="markets_prices", responses=schema.MarketPrices)
    def get(self, request: Request, slug: str) -> Response:
        """Show what each outcome is worth now, where that is known; never a made-up 0.5."""
        instrument = self.get_instrument(slug)
        self.read_query(NoQuery)
        seq, ts_us, quotes = read_quotes(instrument)
        prices = []
        for index, quote in enumerate(quotes):
            prices.append(show_outcome_price(instrument.codes[index], *quote))
            if instrument.binary:
                ask_pips, bid_pips, last_pips = (mirror_pips(pips, as_no=True) for pips in quote)
                prices.append(
                    show_outcome_price(instrument.codes[NO], bid_pips, ask_pips, last_pips)
                )
        answer = schema.MarketPrices(
            market=instrument.slug, seq=seq, ts=format_time(ts_us), prices=prices
        )
        return Response(answer)


def show_trade(trade: Trade, instrument: Instrument) -> schema.PublicTrade:
    return schema.PublicTrade(
        id=trade.id.hex,
        outcome=instrument.codes[trade.outcome_index],
        price=format_price(trade.price_pips),
        quantity=format_quantity(trade.quantity_lots),
        taker_side=SIDE_NAMES[trade.taker_side],
        seq=trade.seq,
        created_at=format_time(trade.created_at_us),
        match_id=(trade.match_id or trade.id).hex,
    )


def show_bar(bar: Bar, *, as_no: bool) -> schema.CandleBar:
    high_pips, low_pips, bid_pips, ask_pips = (
        (bar.low_pips, bar.high_pips, bar.ask_pips, bar.bid_pips)
        if as_no
        else (bar.high_pips, bar.low_pips, bar.bid_pips, bar.ask_pips)
    )

    def show(price_pips: int | None) -> str | None:
        return show_price(mirror_pips(price_pips, as_no=as_no))

    return schema.CandleBar(
        start=format_time(bar.start * MINUTE_US),
        open=show(bar.open_pips),
        high=show(high_pips),
        low=show(low_pips),
        close=show(bar.close_pips),
        bid=show(bid_pips),
        ask=show(ask_pips),
        volume=format_quantity(bar.volume_lots),
        trades=bar.trades,
        open_interest=format_quantity(bar.open_interest_lots),
        seq=bar.seq,
        carried=bar.is_carried,
    )


def show_outcome_price(
    code: str, bid_pips: int | None, ask_pips: int | None, last_pips: int | None
) -> schema.OutcomePrice:
    mark = compute_mark(bid_pips, ask_pips, last_pips)
    return schema.OutcomePrice(
        outcome=code,
        price=show_half_pips(mark.half_pips),
        source=mark.source,
        spread_is_wide=mark.is_wide,
        bid=show_price(bid_pips),
        ask=show_price(ask_pips),
        last=show_price(last_pips),
    )


def _minute(moment: datetime) -> int:
    """Round the moment up to a whole minute."""
    return -(-from_datetime(moment) // MINUTE_US)


def _find_end(query: dict[str, Any], order: tuple[str, ...]) -> int:
    end = MINUTE_MAX if query["end"] is None else _minute(query["end"])
    if not query["cursor"]:
        return end
    [start] = decode_cursor(query["cursor"], order)
    if type(start) is not int or not 0 <= start <= MINUTE_MAX:
        raise bad_cursor()
    return min(end, start)
