"""The calls on markets, as a program sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from markets.actions import do_edit_exchange
from markets.models import (
    Category,
    Event,
    Market,
    MarketStats,
    Outcome,
    Resolution,
    Series,
    Tag,
)
from markets.queries import get_exchange
from tests.accounts.api import assert_error
from tests.markets.factories import (
    THREE_OUTCOMES,
    api_of,
    api_with_key,
    in_days,
    let_everyone_create,
    make_market,
)

pytestmark = pytest.mark.django_db

NEW = {"title": "Will it rain?", "close_at": "2099-01-01T00:00:00Z"}


@pytest.fixture
def api(operator):
    return api_of(operator)


def slugs(response):
    assert response.status_code == 200, response.json()
    return [row["slug"] for row in response.json()["results"]]


# --- create and show ---------------------------------------------------------------------------


EVERYTHING = {
    **NEW,
    "kind": "categorical",
    "slug": "rain-where",
    "description": "Line one.\nLine two.",
    "rules": "By the station.",
    "resolution_source": "https://weather.example.org",
    "category": "weather",
    "tags": ["rain"],
    "event": "today",
    "resolver": "alice",
    "visibility": "unlisted",
    "open_at": "2098-12-31T23:00:00+02:00",
    "expected_settle_at": "2099-01-02T00:00:00.5Z",
    "dispute_seconds": 60,
    "dispute_bond": "25.000000",
    "tick": "0.001",
    "lot_step": "0.01",
    "fee_kind": "quadratic",
    "fee_maker_rate": "0.0175",
    "fee_taker_rate": 0.07,
    "fee_unit": "0.01",
    "position_limit": 1000,
    "strict_refund": True,
    "matches_across_outcomes": False,
    "maker_liquidity": "100",
    "maker_priors": [2, 1, 1],
    "maker_alone": True,
    "maker_funded_by_house": True,
    "featured": True,
    "outcomes": [{"code": code, "name": name} for code, name in THREE_OUTCOMES],
}
STAYS = {"withdrawn_payout": None, "withdrawn_at": None}
EVERYTHING_SHOWN = {
    "slug": "rain-where",
    "title": "Will it rain?",
    "kind": "categorical",
    "status": "draft",
    "approved": True,
    "visibility": "unlisted",
    "group": None,
    "category": "weather",
    "tags": ["rain"],
    "event": "today",
    "series": "daily",
    "creator": "olivia",
    "resolver": "alice",
    "outcomes": [
        {"index": 0, "code": "RED", "name": "Red", "payout": None, **STAYS},
        {"index": 1, "code": "GREEN", "name": "Green", "payout": None, **STAYS},
        {"index": 2, "code": "BLUE", "name": "Blue", "payout": None, **STAYS},
    ],
    "open_at": "2098-12-31T21:00:00.000000Z",
    "close_at": "2099-01-01T00:00:00.000000Z",
    "expected_settle_at": "2099-01-02T00:00:00.500000Z",
    "settled_at": None,
    "dispute_seconds": 60,
    "dispute_bond": "25.000000",
    "low": None,
    "high": None,
    "unit": "",
    "tick": "0.0010",
    "lot_step": "0.01",
    "fee_kind": "quadratic",
    "fee_maker_rate": "0.017500",
    "fee_taker_rate": "0.070000",
    "fee_unit": "0.010000",
    "position_limit": "1000.00",
    "strict_refund": True,
    "matches_across_outcomes": False,
    "maker_liquidity": "100.00",
    "maker_subsidy": "138.629437",
    "maker_priors": [2, 1, 1],
    "maker_alone": True,
    "maker_funded_by_house": True,
    "currency": "CREDIT",
    "featured": True,
    "volume": "0.00",
    "volume_24h": "0.00",
    "last_price": None,
    "last_number": None,
    "settled_number": None,
    "traders": 0,
    "description": "Line one.\nLine two.",
    "rules": "By the station.",
    "resolution_source": "https://weather.example.org",
    "fee_discount": None,
    "clarifications": [],
    "automatic_resolver": None,
    "panel": None,
    "result": None,
}


def test_a_market_is_created_with_everything_and_shown_exactly(api, alice):
    series = Series.objects.create(slug="daily", title="Daily")
    Event.objects.create(slug="today", title="Today", series=series)
    Category.objects.create(slug="weather", name="Weather")
    Tag.objects.create(slug="rain", name="Rain")
    response = api.post("markets", EVERYTHING)
    assert response.status_code == 201, response.json()
    shown = {**response.json()}
    times = {name: shown.pop(name) for name in ("created_at", "updated_at")}
    assert all(time.endswith("Z") and len(time) == 27 for time in times.values())
    assert shown == EVERYTHING_SHOWN
    market = Market.objects.get(slug="rain-where")
    assert (market.tick_pips, market.lot_step_lots, market.position_limit_lots) == (10, 1, 100_000)
    assert (market.fee_maker_rate, market.fee_taker_rate, market.fee_unit_micros) == (
        17_500,
        70_000,
        10_000,
    )
    assert market.close_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert api.get("markets/rain-where").json() == response.json()


def test_a_binary_market_needs_a_title_and_a_close_time_only(api):
    shown = api.post("markets", NEW).json()
    assert shown["slug"] == "will-it-rain"
    assert (shown["kind"], shown["tick"], shown["lot_step"]) == ("binary", "0.0100", "1.00")
    assert [outcome["code"] for outcome in shown["outcomes"]] == ["YES", "NO"]


def test_creating_needs_a_log_in_or_a_key_that_trades(operator):
    assert_error(api_of().post("markets", NEW), 401, "not_authenticated")
    assert_error(api_with_key(operator, "read").post("markets", NEW), 403, "missing_scope")
    assert Market.objects.count() == 0
    assert_error(api_with_key(operator, "trade").post("markets", NEW), 403, "missing_scope")
    assert Market.objects.count() == 0
    assert api_with_key(operator, "operate").post("markets", NEW).status_code == 201


def test_a_repeat_with_an_idempotency_key_makes_no_second_market(api):
    first = api.post("markets", NEW, Idempotency_Key="k1")
    again = api.post("markets", NEW, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Market.objects.count() == 1
    other = api.post("markets", {**NEW, "title": "Other"}, Idempotency_Key="k1")
    assert_error(other, 409, "idempotency_key_reused")


def test_a_market_never_shows_its_internal_id(api):
    market = make_market(status="open", close_at=in_days(77))
    Market.objects.filter(pk=market.pk).update(escrow_account_id=987_654_321)
    text = api.get(f"markets/{market.slug}").content.decode()
    assert "987654321" not in text
    assert '"id"' not in text


def test_a_market_shows_its_result(api, operator, alice):
    market = make_market(status="resolving")
    now = timezone.now()
    result = Resolution.objects.create(
        market=market,
        payout_pips=[6400, 3600],
        evidence_text="See there.",
        evidence_url="https://example.org/result",
        proposed_by=operator,
        proposed_at=now,
        final_at=now + timedelta(hours=1),
    )
    result.disputes.create(raised_by=alice, text="No.")
    shown = api.get(f"markets/{market.slug}").json()["result"]
    assert shown["payout"] == ["0.6400", "0.3600"]
    assert (shown["proposed_by"], shown["disputes"]) == ("olivia", 1)
    Outcome.objects.filter(market=market, index=0).update(payout_pips=6400)
    assert api.get(f"markets/{market.slug}").json()["outcomes"][0]["payout"] == "0.6400"
    Resolution.objects.filter(pk=result.pk).update(payout_pips=None)
    assert api.get(f"markets/{market.slug}").json()["result"]["payout"] is None
    Resolution.objects.filter(pk=result.pk).update(withdrawn_at=now)
    assert api.get(f"markets/{market.slug}").json()["result"] is None


# --- edit, outcomes, approval --------------------------------------------------------------------


def test_a_draft_is_edited_field_by_field(api):
    slug = api.post("markets", {**NEW, "position_limit": "5"}).json()["slug"]
    response = api.patch(f"markets/{slug}", {"tick": "0.05", "position_limit": None})
    assert response.status_code == 200
    assert (response.json()["tick"], response.json()["position_limit"]) == ("0.0500", None)
    assert response.json()["title"] == "Will it rain?"
    assert api.patch(f"markets/{slug}", {}).status_code == 200


def test_outcomes_are_put_as_a_whole(api):
    slug = api.post("markets", {**NEW, "kind": "categorical"}).json()["slug"]
    body = {"outcomes": [{"code": code, "name": name} for code, name in THREE_OUTCOMES]}
    response = api.call("put", f"markets/{slug}/outcomes", body, {})
    assert [outcome["code"] for outcome in response.json()["outcomes"]] == ["RED", "GREEN", "BLUE"]


def test_a_users_market_goes_through_approval(operator, alice):
    let_everyone_create()
    hers, operators = api_of(alice), api_of(operator)
    slug = hers.post("markets", NEW).json()["slug"]
    assert operators.get(f"markets/{slug}").json()["approved"] is False
    assert hers.post(f"markets/{slug}/propose").json()["status"] == "proposed"
    assert_error(hers.post(f"markets/{slug}/approve"), 403, "not_an_operator")
    assert_error(hers.patch(f"markets/{slug}", {"title": "x"}), 409, "not_a_draft")
    rejected = operators.post(f"markets/{slug}/reject", {"note": "Which airport?"})
    assert rejected.json()["status"] == "draft"
    assert hers.patch(f"markets/{slug}", {"rules": "EDDF"}).status_code == 200
    hers.post(f"markets/{slug}/propose")
    approved = operators.post(f"markets/{slug}/approve", {"note": "Fine"})
    assert (approved.json()["status"], approved.json()["approved"]) == ("draft", True)
    history = hers.get(f"markets/{slug}/history").json()["results"]
    assert [(row["to_status"], row["by"], row["reason"]) for row in history] == [
        ("draft", "alice", ""),
        ("proposed", "alice", ""),
        ("draft", "olivia", "Which airport?"),
        ("proposed", "alice", ""),
        ("draft", "olivia", "Fine"),
    ]
    assert history[0]["from_status"] is None


def test_history_comes_in_pages(api):
    market = make_market(status="settled")
    first = api.get(f"markets/{market.slug}/history?limit=3").json()
    rest = api.get(f"markets/{market.slug}/history?cursor={first['next_cursor']}").json()
    walked = [row["to_status"] for row in first["results"] + rest["results"]]
    assert walked == ["draft", "open", "closed", "resolving", "settled"]
    assert rest["next_cursor"] is None


def test_in_maintenance_markets_are_read_only(api, operator):
    market = make_market()
    exchange = get_exchange()
    exchange.maintenance = True
    do_edit_exchange(exchange, by=operator)
    assert_error(api.post("markets", NEW), 503, "maintenance")
    assert_error(api.patch(f"markets/{market.slug}", {"title": "x"}), 503, "maintenance")
    assert api.get(f"markets/{market.slug}").status_code == 200
    assert Market.objects.count() == 1


# --- lists ---------------------------------------------------------------------------------------


@pytest.fixture
def five(operator):
    """Open markets m0..m4: volumes 10, 30, 20, 30, 0; closing in 5, 4, 3, 2, 1 days."""
    for number, volume_lots in enumerate([10, 30, 20, 30, 0]):
        market = make_market(
            by=operator, status="open", slug=f"m{number}", close_at=in_days(5 - number)
        )
        MarketStats.objects.filter(market=market).update(volume_lots=volume_lots)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["m4", "m3", "m2", "m1", "m0"]),
        ("newest", ["m4", "m3", "m2", "m1", "m0"]),
        ("volume", ["m1", "m3", "m2", "m0", "m4"]),
        ("closing", ["m4", "m3", "m2", "m1", "m0"]),
    ],
)
def test_lists_are_sorted_and_paged_without_gaps_or_repeats(five, sort, expected):
    api, found, cursor = api_of(), [], ""
    query = f"sort={sort}&" if sort else ""
    while cursor is not None:
        page = api.get(f"markets?{query}limit=2&cursor={cursor}").json()
        found += [row["slug"] for row in page["results"]]
        cursor = page["next_cursor"]
    assert found == expected


def test_closing_soon_leaves_out_what_has_closed(five):
    Market.objects.filter(slug="m2").update(close_at=in_days(-1))
    assert slugs(api_of().get("markets?sort=closing")) == ["m4", "m3", "m1", "m0"]


def test_a_cursor_of_another_order_is_refused(five):
    cursor = api_of().get("markets?sort=volume&limit=1").json()["next_cursor"]
    assert_error(api_of().get(f"markets?sort=newest&cursor={cursor}"), 400, "bad_cursor", "cursor")


def test_lists_are_filtered(operator):
    series = Series.objects.create(slug="daily", title="Daily")
    event = Event.objects.create(slug="today", title="Today", series=series)
    category = Category.objects.create(slug="weather", name="Weather")
    rain, snow = (
        Tag.objects.create(slug="rain", name="R"),
        Tag.objects.create(slug="snow", name="S"),
    )
    make_market(by=operator, slug="a", status="open", category=category, tags=[rain, snow])
    make_market(by=operator, slug="b", status="halted", event=event, tags=[snow])
    make_market(by=operator, slug="c", status="settled", description="Something 100% else_")
    make_market(by=operator, slug="d", title="Großer Preis")
    api = api_of(operator)
    for query, expected in {
        "status=open": "a",
        "status=open,halted": "ba",
        "status=draft": "d",
        "category=weather": "a",
        "tag=snow": "ba",
        "tag=rain": "a",
        "event=today": "b",
        "series=daily": "b",
        "q=preis": "d",
        "q=something+else": "c",
        "q=100%25": "c",
        "q=else_": "c",
        "q=nothing": "",
        "q=": "dcba",
        "tag=snow&status=open&q=question": "a",
    }.items():
        assert "".join(slugs(api.get(f"markets?{query}"))) == expected, query


@pytest.mark.parametrize("kind", ["category", "tag", "event", "series"])
def test_a_filter_that_names_what_is_unknown_is_refused(operator, kind):
    for slug in ("nowhere", "No slug at all"):
        assert_error(api_of(operator).get(f"markets?{kind}={slug}"), 404, "not_found")


@pytest.mark.parametrize("count", [1, 12])
def test_a_list_takes_the_same_number_of_queries_however_long(
    operator, count, django_assert_max_num_queries, django_assert_num_queries
):
    tag = Tag.objects.create(slug="rain", name="Rain")
    event = Event.objects.create(
        slug="today", title="Today", series=Series.objects.create(slug="daily", title="Daily")
    )
    for _ in range(count):
        make_market(by=operator, status="open", tags=[tag], event=event, resolver=operator)
    api = api_of()
    api.get("markets")  # the policy is read once a second
    with django_assert_num_queries(3):
        assert len(slugs(api.get("markets"))) == count


def test_the_catalogue_is_public_and_in_order(operator):
    weather = Category.objects.create(slug="weather", name="Weather", position=2)
    Category.objects.create(slug="sports", name="Sports", position=1)
    Tag.objects.create(slug="snow", name="Snow")
    Tag.objects.create(slug="rain", name="Rain")
    series = Series.objects.create(slug="daily", title="Daily", category=weather)
    Event.objects.create(slug="today", title="Today", series=series, description="All of it.")
    api = api_of()
    assert slugs(api.get("categories")) == ["sports", "weather"]
    assert slugs(api.get("tags")) == ["rain", "snow"]
    assert api.get("series").json()["results"] == [
        {"slug": "daily", "title": "Daily", "description": "", "category": "weather"}
    ]
    assert api.get("events").json() == {
        "results": [
            {
                "slug": "today",
                "title": "Today",
                "description": "All of it.",
                "category": None,
                "series": "daily",
            }
        ],
        "next_cursor": None,
    }
    page = api.get("categories?limit=1").json()
    assert slugs(api.get(f"categories?cursor={page['next_cursor']}")) == ["weather"]


@pytest.mark.parametrize(
    ("terms", "code", "field"),
    [
        ({"maker_subsidy": "0.69"}, "subsidy_too_small", "maker_subsidy"),
        ({"maker_subsidy": "5", "maker_liquidity": "5"}, "liquidity_and_subsidy", "maker_subsidy"),
        ({"maker_subsidy": "5", "kind": "categorical"}, "subsidy_before_outcomes", "maker_subsidy"),
        ({"maker_subsidy": "5", "maker_priors": [1, 2, 3]}, "bad_maker_priors", "maker_priors"),
        ({"maker_subsidy": None, "maker_alone": True}, "maker_missing", "maker_liquidity"),
    ],
)
def test_a_subsidy_that_makes_no_maker_is_refused(api, terms, code, field):
    refused = api.post("markets", {**NEW, **terms})
    assert_error(refused, 422, code, field)
    assert not Market.objects.exists()


def test_a_subsidy_gives_the_most_liquidity_that_it_covers(api):
    made = api.post("markets", {**NEW, "maker_subsidy": "50"}).json()
    assert (made["maker_liquidity"], made["maker_subsidy"]) == ("72.13", "49.996707")
    url = f"markets/{made['slug']}"
    # What is shown is what it costs, so that saying it again changes nothing.
    again = api.patch(url, {"maker_subsidy": made["maker_subsidy"]}).json()
    assert again["maker_liquidity"] == "72.13"
    skewed = api.patch(url, {"maker_subsidy": "50", "maker_priors": [9, 1]}).json()
    assert (skewed["maker_liquidity"], skewed["maker_subsidy"]) == ("21.71", "49.989123")
    gone = api.patch(url, {"maker_subsidy": None, "maker_priors": None}).json()
    assert (gone["maker_liquidity"], gone["maker_subsidy"]) == (None, None)
