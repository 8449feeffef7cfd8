"""Questions that any number of answers may win: binary markets, made in one go."""

import pytest
from django.test import Client

from markets.actions import do_create_market_group
from markets.models import Category, Event, Market
from tests.markets.factories import in_days, let_everyone_create, make_user, refusing

pytestmark = pytest.mark.django_db

ANSWERS = ["Ann", "Bo  Berg", "Cy"]


@pytest.fixture
def operator():
    return make_user("olga", operator=True)


def make_group(by, answers=ANSWERS, **fields):
    fields = {"title": "Does {answer} get a seat?", "close_at": in_days(3), **fields}
    return do_create_market_group(by=by, fields=fields, answers=answers)


def test_a_group_has_a_binary_market_for_each_answer_in_one_event(operator):
    shelf = Category.objects.create(slug="council", name="Council")
    made = make_group(operator, rules="Yes if {answer} is elected.", category=shelf, tick_pips=50)
    assert [market.title for market in made] == [
        "Does Ann get a seat?", "Does Bo Berg get a seat?", "Does Cy get a seat?"
    ]  # fmt: skip
    assert made[1].rules == "Yes if Bo Berg is elected."
    assert {(market.kind, market.tick_pips, market.status) for market in made} == {
        ("binary", 50, "draft")
    }
    [event] = Event.objects.all()
    assert {market.event for market in made} == {event}
    assert (event.title, event.slug) == ("Does … get a seat?", "does-get-a-seat")
    assert event.category == shelf


def test_an_answer_stands_behind_a_title_without_a_place_for_it(operator):
    event = Event.objects.create(slug="night", title="Night")
    made = make_group(operator, title="Elected:", event=event)
    assert [market.title for market in made] == ["Elected: Ann", "Elected: Bo Berg", "Elected: Cy"]
    assert {market.event for market in made} == {event}


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        (["Ann"], ("answer_count", 422, "answers")),
        ([f"A{n}" for n in range(51)], ("answer_count", 422, "answers")),
        (["Ann", " "], ("blank", 400, "answers")),
        (["Ann", "ann "], ("duplicate_outcome_name", 422, "answers")),
        (["Ann", "B" * 190], ("too_long", 400, "title")),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_as_a_whole(operator, answers, refusal):
    with refusing(*refusal):
        make_group(operator, answers=answers)
    assert not Market.objects.exists()
    assert not Event.objects.exists()


def test_who_may_not_create_markets_makes_no_group(operator):
    stranger = make_user()
    with refusing("may_not_create_markets", 403):
        make_group(stranger)
    let_everyone_create()
    assert [market.is_approved for market in make_group(stranger)] == [False] * 3


def test_a_group_is_made_over_the_api_once_for_each_key(operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    body = {"title": "Seat for {answer}?", "close_at": in_days(3).isoformat(), "answers": ANSWERS}

    def post():
        return site.post(
            "/api/v1/market-groups", body, content_type="application/json",
            headers={"Idempotency-Key": "k1"},
        )  # fmt: skip

    first, second = post(), post()
    assert first.status_code == 201, first.json()
    assert first.json() == second.json()
    assert [row["title"] for row in first.json()["markets"]] == [
        "Seat for Ann?", "Seat for Bo Berg?", "Seat for Cy?"
    ]  # fmt: skip
    assert Market.objects.filter(event__slug=first.json()["event"]).count() == 3
