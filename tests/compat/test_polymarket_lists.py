"""Lists of `/poly` in process, on both databases: filters, pages, figures, the read limit."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Policy
from accounts.policy import forget
from markets.models import Market, Outcome, Tag
from tests.trading import world
from trading.engine.types import BUY, SELL
from trading.readmodels.projections import project_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def markets() -> list[Market]:
    """Three open markets, the second of three outcomes; a trade and a bid in the first."""
    shard = world.own_shard()
    made = [world.make_market(outcomes=outcomes) for outcomes in (2, 3, 2)]
    for market in made:
        world.open_market(shard, market)
    alice, bob = world.make_account(), world.make_account()
    for side, account, cents in ((SELL, alice, 60), (BUY, bob, 60), (BUY, bob, 25)):
        world.run(shard, world.place(made[0], account, side, cents, 1_000))
    project_market(made[0].pk)
    return made


def get(path: str, status: int = 200, **query: Any) -> Any:
    answer = Client().get(f"/poly/{path}", query)
    assert answer.status_code == status, answer.content
    return answer.json()


def slugs(rows: list[dict[str, Any]]) -> list[str]:
    return [row["slug"] for row in rows]


def test_figures_are_of_the_book(markets: list[Market]):
    shown = get("gamma/markets", slug=markets[0].slug)[0]
    assert (shown["bestBid"], shown["bestAsk"], shown["spread"]) == (0.25, 1, 0.75)
    assert (shown["volume"], shown["volume24hr"], shown["liquidity"]) == ("10", 10, "2.5")
    assert (shown["lastTradePrice"], shown["outcomePrices"]) == (0.6, '["0.6", "0.4"]')
    assert get("gamma/markets", volume_num_min=10)[0]["slug"] == markets[0].slug
    assert get("gamma/markets", volume_num_min=11) == []
    assert get("gamma/markets", order="volumeNum", ascending="false")[0]["slug"] == markets[0].slug


def test_pages_by_cursor_show_each_market_once_in_both_directions(markets: list[Market]):
    for kind, count in (("markets", 5), ("events", 3)):
        listed = slugs(get(f"gamma/{kind}"))
        assert len(set(listed)) == count
        for ascending, expected in (("true", listed), ("false", None)):
            found: list[str] = []
            query: dict[str, Any] = {"limit": 1, "ascending": ascending}
            while True:
                page = get(f"gamma/{kind}/keyset", **query)
                found += slugs(page[kind])
                if "next_cursor" not in page:
                    break
                query["after_cursor"] = page["next_cursor"]
            assert found == (expected or found)
            assert sorted(found) == sorted(listed)
    pages = [get("clob/markets"), get("clob/sampling-markets", next_cursor="Mg==")]
    assert [page["count"] for page in pages] == [5, 3]


def test_markets_are_found_by_tag_time_and_words(markets: list[Market]):
    tag = Tag.objects.create(slug="weather", name="Weather")
    markets[1].tags.add(tag)
    Market.objects.filter(pk=markets[2].pk).update(
        title="Does it snow?", close_at=timezone.now() + timedelta(days=60)
    )
    [shown] = get("gamma/tags")
    assert (shown["label"], get(f"gamma/tags/{shown['id']}")["slug"]) == ("Weather", "weather")
    assert slugs(get("gamma/events", tag_id=shown["id"])) == [markets[1].slug]
    assert slugs(get("gamma/events", tag_slug="weather")) == [markets[1].slug]
    assert len(get("gamma/events", exclude_tag_id=shown["id"])) == 2
    assert get("gamma/markets", tag_id="5") == []
    late = (timezone.now() + timedelta(days=45)).isoformat()
    assert slugs(get("gamma/markets", end_date_min=late)) == [markets[2].slug]
    assert slugs(get("gamma/public-search", q="snow")["events"]) == [markets[2].slug]
    assert get("gamma/public-search", q="weath")["tags"] == [shown]


def test_a_withdrawn_outcome_accepts_no_orders_and_has_what_it_paid(markets: list[Market]):
    withdrawn = markets[1].outcomes.all()[1]
    Outcome.objects.filter(pk=withdrawn.pk).update(withdrawn_pips=0, withdrawn_at=timezone.now())
    first, second, _ = get(f"gamma/events/slug/{markets[1].slug}")["markets"]
    assert (first["acceptingOrders"], first["outcomePrices"]) == (True, None)
    assert (second["acceptingOrders"], second["outcomePrices"]) == (False, '["0", "1"]')


def test_a_scalar_market_is_one_market_of_its_two_sides(markets: list[Market]):
    market = world.make_market(kind="scalar", low_millionths=0, high_millionths=10**8)
    Market.objects.filter(pk=market.pk).update(status="open")
    shown = get(f"gamma/markets/slug/{market.slug}")
    assert (shown["outcomes"], shown["negRisk"]) == ('["Higher", "Lower"]', False)


def test_names_never_change(markets: list[Market]):
    before = get("gamma/markets")
    Market.objects.filter(pk=markets[0].pk).update(title="Another title?")
    after = get("gamma/markets")
    for name in ("id", "conditionId", "clobTokenIds", "slug"):
        assert [row[name] for row in before] == [row[name] for row in after]


def test_reads_are_limited_as_those_of_the_api(markets: list[Market]):
    limits = Policy.objects.get().rate_limits
    Policy.objects.update(rate_limits={**limits, "anonymous": {"read": [1, 5], "write": [1, 5]}})
    forget()
    body = [{"token_id": str(number)} for number in range(10)]  # as many tokens of the bucket
    refused = Client().post("/poly/clob/books", body, content_type="application/json")
    answers = [refused, *(Client().get("/poly/clob/ok") for _ in range(30))]
    error = next(answer for answer in answers[1:] if answer.status_code != 200)
    for answer in (refused, error):
        assert answer.status_code == 429
        assert answer.json().keys() == {"error", "code"}
        assert int(answer["Retry-After"]) > 0
