"""The markets page: what its cards say, how markets are found, and what that costs."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts.actions import do_edit_policy
from accounts.models import Policy
from kernel.cache import FreshCache
from markets.models import Category, Event, Market, Series, Tag
from tests.markets import factories
from tests.markets.factories import in_days
from tests.pages.home import (
    CHOICE,
    DAY,
    HOUR,
    HTMX,
    NOW,
    candle,
    make_market,
    pay,
    quote,
    read,
    tile_of,
    titles,
)
from trading.readmodels import browse
from trading.readmodels.browse import Filters, read_filters
from trading.readmodels.queries import Quote
from trading.readmodels.tiles import build_tiles, describe_closing, read_histories

pytestmark = pytest.mark.django_db


def test_a_binary_card_shows_probability_change_prices_and_figures(client):
    market = make_market(volume_lots=1_234_500, day_lots=50_000)
    quote(market, 6_100, 6_300)
    candle(market, 2 * DAY, 5_000)
    candle(market, DAY + 5, 5_900)
    candle(market, 5, 6_200)
    page = client.get("/")
    words = read(page)
    assert "Will it rain? 62% +3" in words
    assert "Yes 0.63 No 0.39" in words
    address = f'href="/markets/{market.slug}/?outcome={{}}&amp;side=buy#ticket"'
    assert address.format("YES") in page.content.decode()
    assert address.format("NO") in page.content.decode()
    assert "12K traded 500 today" in words
    assert "closes in 29 days" in words
    assert "<polyline" in page.content.decode()


def test_without_an_offer_a_button_shows_no_price():
    tile = tile_of(make_market())
    assert (tile.yes_price_pips, tile.no_price_pips, tile.yes.half_pips) == (None, None, None)
    assert tile.yes.points_pips == []
    assert tile.yes.change_pips is None


def test_a_categorical_card_shows_the_three_likeliest_outcomes(client):
    outcomes = [(f"C{index}", f"Candidate {index}") for index in range(5)]
    market = make_market("Who wins?", kind="categorical", outcomes=outcomes)
    for index, last_pips in enumerate([500, 3_000, 4_000, None, 1_500]):
        quote(market, last_pips=last_pips, outcome=index)
    words = read(client.get("/"))
    assert "Candidate 2 40% Candidate 1 30% Candidate 4 15% +2 more" in words
    assert "Candidate 0" not in words


@pytest.mark.parametrize(
    ("payouts", "said"),
    [((10_000, 0), "Yes"), ((0, 10_000), "No"), ((4_000, 6_000), "Yes paid 0.40")],
)
def test_a_settled_market_shows_its_result(client, payouts, said):
    market = make_market(status="settled")
    pay(market, *payouts)
    words = read(client.get("/?status=settled"))
    assert f"Settled Will it rain? {said}" in words
    assert "settled on" in words


def test_a_settled_choice_shows_only_the_winner(client):
    market = make_market("Who wins?", status="settled", **CHOICE)
    pay(market, 0, 10_000, 0)
    words = read(client.get("/?status=settled"))
    assert "Who wins? Green Won" in words
    assert "Red" not in words


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("halted", "Halted"),
        ("closed", "Waiting for the result"),
        ("resolving", "Result proposed"),
        ("voided", "Voided"),
    ],
)
def test_a_market_that_does_not_trade_says_why(client, status, said):
    make_market(status=status)
    assert f"{said} Will it rain?" in read(client.get("/?status=all"))


def test_a_card_is_answered_alone_as_it_is_now(client):
    market = make_market()
    path = f"/markets/{market.slug}/card/"
    listed = client.get("/").content.decode()
    assert f'data-market="{market.slug}" data-status="open" data-url="{path}"' in listed
    Market.objects.update(status="halted")
    card = client.get(path).content.decode()
    assert card.count("<article") == 1
    assert "<html" not in card
    assert 'data-status="halted"' in card
    assert "Halted" in card
    Market.objects.update(status="voided", settled_at=timezone.now())
    assert "data-market" not in client.get(path).content.decode()


def test_a_card_is_for_those_who_see_the_market(client):
    market = make_market(status="draft")
    assert client.get(f"/markets/{market.slug}/card/").status_code == 404


def test_an_open_market_whose_time_has_come_counts_as_closed():
    market = make_market()
    market.close_at = timezone.now() - timedelta(seconds=1)
    market.save()
    tile = tile_of(market)
    assert (tile.status, tile.is_live) == ("closed", False)


def test_a_long_title_is_there_in_full_and_nothing_in_it_is_markup(client):
    title = "<script>alert(1)</script> " + "x" * 170
    make_market(title)
    page = client.get("/").content.decode()
    assert "<script>alert" not in page
    assert 'title="&lt;script&gt;alert(1)&lt;/script&gt; xxx' in page


def test_a_card_gives_the_script_what_tickers_lack():
    market = make_market("Who wins?", **CHOICE)
    quote(market, 3_000, 3_200, outcome=1)
    candle(market, 2 * DAY, 2_500, outcome=1)
    facts = json.loads(tile_of(market).live_json)
    assert facts == [
        ["GREEN", "Green", 5_000, 0],
        ["RED", "Red", None, 0],
        ["BLUE", "Blue", None, 0],
    ]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(0), ""),
        (timedelta(seconds=20), "closes in 1 minute"),
        (timedelta(minutes=90), "closes in 90 minutes"),
        (timedelta(hours=2), "closes in 2 hours"),
        (timedelta(hours=47), "closes in 47 hours"),
        (timedelta(days=3, hours=23), "closes in 3 days"),
    ],
)
def test_the_time_to_the_close_is_said_in_whole_units(left, said):
    now = timezone.now()
    assert describe_closing(now + left, now) == said


# --- how a mark moved ---------------------------------------------------------------------------


def history_of(market, last_minute=NOW):
    return read_histories([(market.pk, 0, last_minute)])[market.pk, 0]


def test_history_covers_a_week_and_begins_with_what_was_known_then():
    market = make_market()
    candle(market, 30 * DAY, 1_000)
    candle(market, 8 * DAY, 2_000)
    candle(market, 2 * DAY, 7_000)
    history = history_of(market)
    assert history.points_pips[0] == 2_000
    assert history.points_pips[-1] == 7_000
    assert set(history.points_pips) == {2_000, 7_000}
    assert history.day_ago_half_pips == 14_000


def test_a_young_market_is_compared_with_its_beginning():
    market = make_market()
    candle(market, 2 * HOUR, 3_000)
    candle(market, HOUR, 4_500)
    history = history_of(market)
    assert history.day_ago_half_pips == 6_000
    assert (history.points_pips[0], history.points_pips[-1]) == (3_000, 4_500)


def test_a_minute_without_a_trade_counts_by_its_quotes_or_the_trade_before():
    market = make_market()
    candle(market, 3 * DAY, 5_000)
    candle(market, 2 * DAY, bid_pips=5_900, ask_pips=6_100)
    candle(market, DAY + 1, bid_pips=1_000, ask_pips=9_000)
    assert history_of(market).day_ago_half_pips == 10_000
    assert 6_000 in history_of(market).points_pips


def test_a_market_without_candles_has_no_history():
    assert read_histories([(make_market().pk, 0, NOW)]) == {}


def test_quotes_come_by_market_and_outcome(django_assert_num_queries):
    market = make_market()
    quote(market, 100, None, 200)
    with django_assert_num_queries(3):  # outcomes, quotes, history
        [tile] = build_tiles([market])
    assert tile.yes.quote == Quote(100, None, 200)


# --- finding ------------------------------------------------------------------------------------


def test_everyone_sees_open_markets_only_unless_they_ask(client):
    for status in ("draft", "proposed", "open", "halted", "closed", "resolving", "settled"):
        make_market(f"This is {status}", status=status)
    assert set(titles(client.get("/"))) == {"This is open", "This is halted"}
    assert set(titles(client.get("/?status=closed"))) == {"This is closed", "This is resolving"}
    assert titles(client.get("/?status=settled")) == ["This is settled"]
    assert len(titles(client.get("/?status=all"))) == 5


def test_search_finds_only_visible_markets(client):
    alice, bob = factories.make_user("alice"), factories.make_user("bob")
    group = factories.make_group(alice)
    make_market("Ours alone", visibility="group", group=group)
    make_market("Not listed", visibility="unlisted")
    assert titles(client.get("/?q=o")) == []
    client.force_login(bob)
    assert titles(client.get("/")) == []
    client.force_login(alice)
    page = client.get("/")
    assert titles(page) == ["Ours alone"]
    assert "Insiders Ours alone" in read(page)


def test_an_empty_exchange_says_so(client):
    assert "No market is open yet." in read(client.get("/"))


def test_categories_and_tags_are_links_that_keep_the_rest(client):
    weather = Category.objects.create(slug="weather", name="Weather")
    europe = Tag.objects.create(slug="europe", name="europe")
    market = make_market("In Berlin", category=weather, tags=[europe])
    make_market("Elsewhere")
    page = client.get("/?q=i").content.decode()
    assert 'href="/?q=i&amp;category=weather"' in page
    assert 'href="/?q=i&amp;tag=europe"' in page
    assert titles(client.get("/?category=weather")) == [market.title]
    page = client.get("/?tag=europe&sort=newest")
    assert titles(page) == [market.title]
    assert 'href="/?sort=newest"' in page.content.decode()  # the chosen tag goes by a click


def test_an_event_or_series_heads_the_page_of_its_markets(client):
    series = Series.objects.create(slug="elections", title="Elections")
    event = Event.objects.create(slug="night", title="Election night", series=series)
    make_market("Who wins?", event=event)
    make_market("Something else")
    for query, heading in (("event=night", "Election night"), ("series=elections", "Elections")):
        page = client.get(f"/?{query}")
        assert titles(page) == ["Who wins?"]
        assert f"<h1>{heading}</h1>" in page.content.decode()
        assert f'<input type="hidden" form="search" name="{query.split("=")[0]}"' in (
            page.content.decode()
        )


@pytest.mark.parametrize("name", ["category", "tag", "event", "series"])
def test_what_does_not_exist_is_not_found(client, name):
    assert client.get(f"/?{name}=nothing").status_code == 404
    assert client.get(f"/?{name}=%00").status_code in (200, 404)


def test_a_cursor_that_is_none_of_ours_is_a_bad_request(client):
    page = client.get("/?cursor=%F0%9F")
    assert page.status_code == 400
    assert "Start again at the first page." in read(page)


def test_orders(client):
    big = make_market("Big", volume_lots=900, day_lots=0, close_at=in_days(9))
    busy = make_market("Busy", volume_lots=500, day_lots=400, close_at=in_days(1))
    new = make_market("New", volume_lots=0, day_lots=0, close_at=in_days(5))
    expected = {
        "volume": [big, busy, new],
        "trending": [busy, big, new],
        "newest": [new, busy, big],
        "closing": [busy, new, big],
    }
    for sort, markets in expected.items():
        assert titles(client.get(f"/?sort={sort}")) == [market.title for market in markets], sort


def test_featured_markets_come_first_where_nothing_was_asked_for(client):
    make_market("Big", volume_lots=900)
    make_market("Chosen", volume_lots=1, featured=True)
    page = client.get("/")
    assert titles(page) == ["Chosen", "Big"]
    # A star would look like a watch list: it is said in words.
    assert "Featured Chosen" in read(page)
    assert "#star" not in page.content.decode()
    assert titles(client.get("/?sort=trending")) == ["Big", "Chosen"]
    assert titles(client.get("/?q=i")) == ["Big"]


def test_filters_that_are_none_of_ours_count_as_left_out():
    assert read_filters({"status": "draft", "sort": "id"}) == Filters()
    assert read_filters({"status": "settled", "sort": "closing"}) == Filters(status="settled")
    assert read_filters({"q": "  x" * 100}).search.startswith("x")
    assert len(read_filters({"q": "x" * 500}).search) == browse.SEARCH_LENGTH_MAX


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def three_pages(monkeypatch):
    monkeypatch.setattr(browse, "PAGE_MARKETS", 2)
    make_market("Chosen", featured=True)
    return ["Chosen", *(make_market(f"M{n}", volume_lots=9 - n).title for n in range(4))]


def more_link(page):
    found = re.search(r'id="more".*?href="([^"]+)"', page.content.decode(), re.DOTALL)
    return found and found.group(1).replace("&amp;", "&")


def test_the_link_to_more_markets_walks_through_all_of_them_once(client, three_pages):
    seen, address = [], "/"
    while address:
        page = client.get(address)
        seen += titles(page)
        address = more_link(page)
    assert seen == three_pages


def test_htmx_gets_only_the_cards_that_follow(client, three_pages):
    address = more_link(client.get("/"))
    page = client.get(address, headers={**HTMX, "HX-Target": "more"})
    text = page.content.decode()
    assert titles(page) == three_pages[2:4]
    assert "<html" not in text
    assert 'id="browse"' not in text
    assert text.lstrip().startswith("<li")


def test_htmx_gets_what_a_filter_changes_and_its_clean_address(client):
    make_market("Will it rain?")
    page = client.get("/?q=rain&status=open&sort=", headers={**HTMX, "HX-Target": "browse"})
    text = page.content.decode()
    assert page["HX-Push-Url"] == "/?q=rain"
    assert "<html" not in text
    assert text.lstrip().startswith('<div id="browse" data-announcement="1 market found"')
    page = client.get("/?q=", headers={**HTMX, "HX-Target": "browse"})
    assert page["HX-Push-Url"] == "/"


def test_going_back_never_shows_a_part_as_if_it_were_the_page(client):
    page = client.get("/", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert "<html" in page.content.decode()
    assert {"HX-Request", "HX-Target"} <= set(re.split(r",\s*", page["Vary"]))


# --- whom it greets -----------------------------------------------------------------------------


def test_an_anonymous_viewer_sees_what_a_contract_is_and_where_to_sign_up(client):
    greeting = "so a price of"
    assert greeting in read(client.get("/"))
    assert greeting not in read(client.get("/?q=rain"))
    client.force_login(factories.make_user("alice"))
    assert greeting not in read(client.get("/"))


def test_a_closed_site_offers_no_sign_up(client):
    policy = Policy.objects.get(pk=1)
    policy.sign_up = "closed"
    do_edit_policy(policy, by=None)
    assert "Sign up" not in read(client.get("/"))


# --- cost ---------------------------------------------------------------------------------------


def fill(count):
    category = Category.objects.create(slug=f"c{count}", name=f"C{count}")
    for number in range(count):
        tag = Tag.objects.create(slug=f"t{count}-{number}", name=f"t{count}-{number}")
        market = make_market(f"M{count}-{number}", category=category, tags=[tag], **CHOICE)
        for outcome in range(3):
            quote(market, 3_000, 3_100, outcome=outcome)
            candle(market, DAY, 3_000, outcome=outcome)


@pytest.fixture
def slow_clock(monkeypatch):
    """What a process keeps for a second is kept for the whole test, however slow the machine."""
    monkeypatch.setattr("accounts.policy._policies._seconds", 600.0)
    monkeypatch.setattr("markets.context._exchanges._seconds", 600.0)
    monkeypatch.setattr("trading.context._away", FreshCache(lambda _: False, seconds=600))


@pytest.mark.parametrize("path", ["/", "/?q=m", "/?sort=closing"])
def test_any_number_of_markets_costs_the_same_queries(
    client, slow_clock, path, django_assert_max_num_queries, django_assert_num_queries
):
    fill(1)
    client.get(path)
    with django_assert_max_num_queries(9) as one:
        client.get(path)
    fill(20)
    with django_assert_num_queries(len(one)):
        client.get(path)


def test_an_anonymous_search_finds_public_markets():
    market = make_market()
    assert browse.find_page(AnonymousUser(), Filters(), cursor="").rows == [market]
