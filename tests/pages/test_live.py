"""The live parts of a market's page as the server first draws them, and its chart's history."""

import json
import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone

from kernel import cache
from kernel.clock import from_datetime, now_us, to_datetime
from kernel.colours import DARK_GROUND, WHITE, compute_contrast
from kernel.units import PIPS_PER_CREDIT
from markets.models import StatusChange
from markets.queries import get_market
from tests.markets.factories import make_group, make_user
from tests.markets.factories import make_market as make_catalogued_market
from tests.trading.world import buy, make_account, make_market, open_market, own_shard, run, sell
from trading.models import Candle, OutcomeStats
from trading.pages import history, lines
from trading.pages.live import build_context
from trading.pipeline.instruments import build_instrument
from trading.readmodels.projections import project_market

pytestmark = pytest.mark.django_db

WHITE_AND_DARK = (WHITE, DARK_GROUND)
LOTS = 100


@pytest.fixture
def shard():
    return own_shard()


@pytest.fixture
def market(shard):
    market = make_market(slug="rain")
    open_market(shard, market)
    market.refresh_from_db()
    return market


def build(market, user=None, **query):
    request = RequestFactory().get("/", query)
    request.user = user or AnonymousUser()
    return build_context(request, market)["live"]


def this_minute():
    return now_us() // 60_000_000


def add_candle(market, minute, *, outcome=0, bid=None, ask=None, close=None):
    """A minute's candle, in cents; the row of statistics goes with the first."""
    OutcomeStats.objects.get_or_create(market=market, outcome_index=outcome)
    cents = {"bid_pips": bid, "ask_pips": ask, "close_pips": close}
    pips = {name: None if value is None else value * 100 for name, value in cents.items()}
    Candle.objects.create(market=market, outcome_index=outcome, minute=minute, seq=0, **pips)


def read_percents(market, range_name, **options):
    read = history.read_history(build_instrument(market), range_name, **options)
    return {
        outcome: [None if value is None else value / lines.PERCENT for value in line]
        for outcome, line in read.lines.items()
    }


# --- book -----------------------------------------------------------------------------------------


def test_the_ladder_has_both_sides_best_first_with_running_totals(shard, market):
    maker = make_account()
    run(shard, *(buy(market, maker, price, 5 * LOTS) for price in (40, 42, 42)))
    run(shard, sell(market, maker, 50, LOTS), sell(market, maker, 47, 4 * LOTS))
    ladder = build(market).book.ladder
    assert [(row.price_pips, row.quantity_lots, row.total_lots) for row in ladder.bids] == [
        (4200, 1000, 1000),
        (4000, 500, 1500),
    ]
    assert [(row.price_pips, row.total_lots) for row in ladder.asks] == [(4700, 400), (5000, 500)]
    assert [row.share for row in ladder.bids] == [66, 100]
    assert ladder.spread_pips == 500


def test_the_view_of_no_is_the_mirror_of_the_book(shard, market):
    maker = make_account()
    run(shard, buy(market, maker, 40, 5 * LOTS), sell(market, maker, 47, 2 * LOTS))
    book = build(market, maker.owner, view="no").book
    assert book.as_no
    assert [(row.price_pips, row.own_lots) for row in book.ladder.bids] == [(5300, 200)]
    assert [(row.price_pips, row.own_lots) for row in book.ladder.asks] == [(6000, 500)]


def test_own_orders_are_marked_for_their_owner_alone(shard, market):
    maker, other = make_account(), make_account()
    run(shard, buy(market, maker, 40, 5 * LOTS), buy(market, other, 40, LOTS))
    assert [row.own_lots for row in build(market, maker.owner).book.ladder.bids] == [500]
    assert [row.own_lots for row in build(market).book.ladder.bids] == [0]


def test_a_ladder_shows_the_twelve_best_prices_of_a_side(shard, market):
    run(shard, *(buy(market, make_account(), price, LOTS) for price in range(10, 30)))
    prices = [row.price_pips for row in build(market).book.ladder.bids]
    assert prices == [price * 100 for price in range(29, 17, -1)]


def test_an_empty_book_has_rows_of_neither_side(market):
    ladder = build(market).book.ladder
    assert (ladder.bids, ladder.asks, ladder.spread_pips) == ([], [], None)


def test_the_book_shown_is_the_one_asked_for_else_the_most_probable(shard):
    market = make_market(outcomes=3)
    open_market(shard, market)
    maker = make_account()
    for outcome, price in enumerate((20, 60, 10)):
        run(shard, buy(market, maker, price, LOTS, outcome=outcome))
        run(shard, sell(market, maker, price + 2, LOTS, outcome=outcome))
    live = build(market)
    assert [outcome.code for outcome in live.outcomes] == ["O1", "O0", "O2"]
    assert live.book.outcome.code == "O1"
    bids = build(market, book="O2").book.ladder.bids
    # 1 - 0.22 - 0.62 is what sellers of the other two leave to a seller of this one.
    assert [(row.price_pips, row.quantity_lots, row.implied_lots) for row in bids] == [
        (1600, LOTS, LOTS),
        (1000, LOTS, 0),
    ]
    assert build(market, book="nothing", view="x", range="2Y").book.outcome.code == "O1"


# --- tape and figures -----------------------------------------------------------------------------


def test_the_tape_is_the_latest_trades_newest_first(shard, market):
    maker, taker = make_account(), make_account()
    run(shard, sell(market, maker, 60, 100 * LOTS))
    run(shard, *(buy(market, taker, 60, (number + 1) * LOTS) for number in range(3)))
    tape = build(market).tape
    assert [(row.quantity_lots, row.side, row.price_pips) for row in tape] == [
        (300, "buy", 6000),
        (200, "buy", 6000),
        (100, "buy", 6000),
    ]


def test_the_last_price_counts_before_the_statistics_know_of_it(shard, market):
    run(shard, sell(market, make_account(), 60, LOTS), buy(market, make_account(), 60, LOTS))
    live = build(market)
    assert live.outcomes[0].half_pips == 2 * 6000
    assert live.summary == "60% chance"
    assert build(make_market()).summary == "No price yet. Be the first to trade."


@pytest.mark.parametrize(("is_known", "queries"), [(False, 7), (True, 8)])
def test_the_parts_take_a_constant_number_of_queries(
    shard, market, is_known, queries, django_assert_num_queries
):
    maker, taker = make_account(), make_account()
    user = maker.owner if is_known else None
    for orders in (1, 40):
        run(shard, *(sell(market, maker, 50 + number // 2, 2 * LOTS) for number in range(orders)))
        run(shard, *(buy(market, taker, 60, LOTS) for _ in range(orders)))
        project_market(market.pk)
        shown = get_market(market.slug, user=user)
        cache.forget_all()  # of the exchange, which every page needs
        with django_assert_num_queries(queries):
            build(shown, user)


def test_the_words_of_a_market_can_not_end_the_element_of_its_data(client, shard):
    market = make_market(outcomes=3, title="</script><script>alert(1)</script>")
    market.outcomes.filter(index=0).update(name="</script><script>alert(2)</script>")
    open_market(shard, market)
    page = client.get(f"/markets/{market.slug}/").content.decode()
    data = re.search(r'<script type="application/json" id="market-live">(.*?)</script>', page)[1]
    names = {outcome["name"] for outcome in json.loads(data)["outcomes"]}
    assert "</script><script>alert(2)</script>" in names
    assert "<script>alert" not in page


@pytest.mark.parametrize("status", ["open", "halted", "closed", "resolving", "settled", "voided"])
def test_every_status_has_its_parts(client, status):
    market = make_catalogued_market(status=status)
    page = client.get(f"/markets/{market.slug}/").content.decode()
    assert all(f'id="{part}"' in page for part in ("chart", "book", "tape", "market-live"))


def test_the_tape_is_one_landmark(client, market):
    page = client.get(f"/markets/{market.slug}/").content.decode()
    assert page.count('aria-labelledby="tape-title"') == 1
    assert re.search(r'tabindex="0" role="region" aria-labelledby="tape-title"', page)


# --- what links show elsewhere --------------------------------------------------------------------


def test_links_to_a_market_show_its_title_and_its_chances(client, shard, market, settings):
    settings.SITE_URL = "https://predex.example"
    run(shard, sell(market, make_account(), 60, LOTS), buy(market, make_account(), 60, LOTS))
    page = client.get("/markets/rain/").content.decode()
    assert f'<meta property="og:title" content="{market.title}">' in page
    assert '<meta property="og:description" content="60% chance">' in page
    assert '<meta property="og:url" content="https://predex.example/markets/rain/">' in page
    assert 'name="robots"' not in page
    assert "&lt;iframe src=&quot;https://predex.example/embed/rain/&quot;" in page


def test_a_market_of_a_group_can_not_be_embedded_and_is_not_to_be_indexed(client):
    member = make_user()
    group = make_group(member)
    market = make_catalogued_market(status="open", visibility="group", group=group)
    client.force_login(member)
    page = client.get(f"/markets/{market.slug}/").content.decode()
    assert '<meta name="robots" content="noindex">' in page
    assert "iframe" not in page


# --- history --------------------------------------------------------------------------------------


def test_a_line_is_the_middle_where_the_spread_is_narrow_else_the_last_price():
    market, now = make_catalogued_market(status="open"), this_minute()
    add_candle(market, now - 50, bid=40, ask=44, close=43)
    add_candle(market, now - 40, bid=20, ask=60, close=50)
    add_candle(market, now - 30, bid=20, ask=60)  # quotes only: the last trade is older
    add_candle(market, now - 20, bid=30, ask=32)
    [line] = read_percents(market, "1H").values()
    assert [line[minute] for minute in (0, 9, 10, 29, 30, -1)] == [42, 42, 50, 50, 31, 31]


def test_the_chart_begins_with_the_first_outcome_that_has_a_price():
    outcomes = [("RED", "Red"), ("GREEN", "Green"), ("BLUE", "Blue")]
    market = make_catalogued_market(status="open", outcomes=outcomes, kind="categorical")
    now = this_minute()
    add_candle(market, now - 40, outcome=2, bid=10, ask=12)
    add_candle(market, now - 20, outcome=0, bid=40, ask=42)
    lines_read = read_percents(market, "ALL")
    assert lines_read[2][0] == 11
    assert lines_read[0][:20] == [None] * 20
    assert lines_read[0][20:] == [41] * (len(lines_read[2]) - 20)
    assert set(lines_read[1]) == {None}


def test_a_range_begins_with_what_was_known_before_it():
    market, now = make_catalogued_market(status="open"), this_minute()
    add_candle(market, now - 3 * 24 * 60, bid=40, ask=42)
    read = history.read_history(build_instrument(market), "1D")
    assert read.times[0] >= (now - 24 * 60 - 3) * 60_000
    assert set(read.lines[0]) == {2 * 4100}


def test_a_line_of_a_year_has_at_most_500_points_and_ends_now():
    market, now = make_catalogued_market(status="open"), this_minute()
    add_candle(market, now - 365 * 24 * 60, bid=40, ask=42)
    add_candle(market, now, bid=50, ask=52)
    read = history.read_history(build_instrument(market), "ALL")
    assert 250 <= len(read.times) == len(read.lines[0]) <= history.POINTS_MAX
    assert now * 60_000 < read.times[-1] <= now_us() // 1000
    assert read.lines[0][-1] == 2 * 5100


def test_fifty_outcomes_have_shorter_lines():
    outcomes = [(f"O{index}", f"Outcome {index}") for index in range(50)]
    market = make_catalogued_market(status="open", outcomes=outcomes, kind="categorical")
    now = this_minute()
    for outcome in range(50):
        add_candle(market, now - 600, outcome=outcome, bid=1, ask=3)
    read = history.read_history(build_instrument(market), "ALL")
    assert len(read.lines) == 50
    assert sum(len(line) for line in read.lines.values()) <= history.VALUES_MAX
    assert all(line[-1] == 400 for line in read.lines.values())


def test_the_chart_of_a_closed_market_ends_with_its_trading():
    market, now = make_catalogued_market(status="closed"), this_minute()
    add_candle(market, now - 5000, bid=40, ask=42)
    add_candle(market, now - 4000, bid=50, ask=52)
    end_trading(market, now - 3000)
    read = history.read_history(build_instrument(market), "1H")
    assert read.times[-1] == (now - 2999) * 60_000
    assert len(read.times) >= 60
    assert set(read.lines[0]) == {2 * 5100}


def test_the_chart_of_a_settled_market_with_one_trade_has_a_line_until_trading_ended():
    market, now = make_catalogued_market(status="settled"), this_minute()
    add_candle(market, now - 4000, close=62)
    end_trading(market, now - 1000)
    read = history.read_history(build_instrument(market), "ALL")
    assert read.times[0] <= (now - 4000 + 10) * 60_000
    assert abs(read.times[-1] - (now - 1000) * 60_000) <= 60_000
    assert set(read.lines[0]) == {2 * 6200}
    [(_, points)] = lines.draw(read.times, [(lines.choose_look(0), read.lines[0])]).polylines
    assert points.split()[-1].startswith("600.0,")
    assert len(points.split()) > 1


def end_trading(market, minute):
    moment = to_datetime(minute * 60_000_000)
    for before, after in (("draft", "open"), ("open", "closed"), ("closed", "settled")):
        StatusChange.objects.create(
            market=market, from_status=before, to_status=after, created_at=moment
        )


def test_a_young_market_shows_each_trade(shard, market):
    maker, taker = make_account(), make_account()
    run(shard, *(sell(market, maker, cents, LOTS) for cents in (97, 98, 99)))
    for _ in range(3):
        run(shard, buy(market, taker, 99, LOTS))
    project_market(market.pk)
    read = history.read_history(build_instrument(market), "ALL")
    assert read.lines[0][:3] == [2 * 9700, 2 * 9800, 2 * 9900]
    assert read.times == sorted(read.times)
    assert read.times[-1] - read.times[0] < 60_000


def test_the_trades_of_one_outcome_leave_the_lines_of_the_others():
    points = [history._Point(1_000, [None, 10]), history._Point(9_000, [70, 10])]
    woven = history._weave(points, [(500, 0, 20), (3_000, 0, 30), (9_000, 1, 40)])
    assert woven == [
        (500, [40, None]), (1_000, [None, 10]), (3_000, [60, 10]), (9_000, [70, 10]),
        (9_000, [70, 80]),
    ]  # fmt: skip


def test_a_market_without_candles_has_no_points():
    read = history.read_history(build_instrument(make_catalogued_market(status="open")), "ALL")
    assert read == history.PriceHistory([], {0: []})


@pytest.mark.parametrize("minutes", [1, 2, 59, 60, 1440, 10_080, 525_600, 5_256_000])
def test_steps_are_whole_minutes_and_reach_all_the_way(minutes):
    step = history._find_step(minutes, 498)
    assert step * 498 >= minutes
    assert step == 1 or step in history.STEPS or step % 1440 == 0


def test_the_chart_reads_all_lines_in_one_answer(client, django_assert_max_num_queries):
    market, now = make_catalogued_market(status="open", slug="rain"), this_minute()
    add_candle(market, now - 10, bid=40, ask=42)
    with django_assert_max_num_queries(6):
        answer = client.get("/markets/rain/history/?range=1H")
    body = answer.json()
    assert (body["market"], body["range"]) == ("rain", "1H")
    assert [row["outcome"] for row in body["outcomes"]] == ["YES"]
    assert len(body["outcomes"][0]["half_pips"]) == len(body["times"])
    assert body["times"] == sorted(body["times"])
    assert body["times"][-1] <= from_datetime(timezone.now()) / 1_000_000
    assert answer.headers["Cache-Control"] == "private, max-age=10"
    with django_assert_max_num_queries(4):  # who sees it; the lines are kept for a moment
        assert client.get("/markets/rain/history/?range=1H").json() == body


def test_the_history_is_for_those_who_see_the_market(client):
    hidden = make_catalogued_market(status="draft")
    assert client.get(f"/markets/{hidden.slug}/history/").status_code == 404
    shown = make_catalogued_market(status="open")
    assert client.get(f"/markets/{shown.slug}/history/?range=2Y").status_code == 400


# --- lines ----------------------------------------------------------------------------------------


def test_lines_can_be_seen_on_both_themes_and_told_apart_without_colour():
    for colour in lines.COLOURS:
        channels = tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))
        assert all(compute_contrast(channels, ground) >= 3 for ground in WHITE_AND_DARK)
    assert len({lines.choose_look(rank) for rank in range(32)}) == 32
    assert len({lines.choose_look(rank).dash for rank in range(4)}) == 4


@pytest.mark.parametrize("values", [[], [0], [200], [19_800], [10_000], [100, 19_900]])
def test_a_drawing_holds_its_lines_and_no_chance_below_0_or_above_100(values):
    bottom, top = lines.find_bounds(values)
    assert 0 <= bottom < top <= 2 * PIPS_PER_CREDIT
    assert all(bottom <= value <= top for value in values)
    drawing = lines.draw(range(len(values) + 1), [(lines.choose_look(0), [None, *values])])
    [(_, points)] = drawing.polylines
    for point in points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= lines.WIDTH
        assert 0 <= y <= lines.HEIGHT
