"""Markets as the tests of the markets page make them, and what they read of it."""

import re
import time

from markets.models import MarketStats, Outcome
from tests.markets import factories
from tests.markets.factories import THREE_OUTCOMES
from trading.models import Candle, OutcomeStats
from trading.readmodels import browse
from trading.readmodels.browse import Filters
from trading.readmodels.tiles import build_tiles

NOW = int(time.time()) // 60
HOUR = 60
DAY = 24 * HOUR
CHOICE = {"kind": "categorical", "outcomes": THREE_OUTCOMES}
HTMX = {"HX-Request": "true"}


def make_market(title="Will it rain?", *, status="open", volume_lots=0, day_lots=0, **options):
    market = factories.make_market(title=title, status=status, **options)
    MarketStats.objects.filter(market=market).update(
        volume_lots=volume_lots, volume_24h_lots=day_lots, traders=7
    )
    return market


def quote(market, bid_pips=None, ask_pips=None, last_pips=None, outcome=0):
    OutcomeStats.objects.create(
        market=market,
        outcome_index=outcome,
        bid_pips=bid_pips,
        ask_pips=ask_pips,
        last_pips=last_pips,
    )


def candle(market, minutes_ago, close_pips=None, *, bid_pips=None, ask_pips=None, outcome=0):
    Candle.objects.create(
        market=market, outcome_index=outcome, minute=NOW - minutes_ago, seq=0,
        open_pips=close_pips, high_pips=close_pips, low_pips=close_pips, close_pips=close_pips,
        bid_pips=bid_pips, ask_pips=ask_pips,
    )  # fmt: skip


def pay(market, *payouts_pips):
    for index, pips in enumerate(payouts_pips):
        Outcome.objects.filter(market=market, index=index).update(payout_pips=pips)


def tile_of(market):
    [page_row] = browse.find_page(
        market.creator, Filters(search=market.title, status="all"), cursor=""
    ).rows
    return build_tiles([page_row])[0]


def read(response):
    """The page's words, without markup and runs of blanks."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def titles(response):
    found = re.findall(r'<h2 class="market-card-title">.*?>([^<]*)</a>', response.content.decode())
    return [title.replace("&#x27;", "'") for title in found]


# --- what a card says --------------------------------------------------------------------------
