"""GET /leaderboard: public, exact, with one's own place, without users who opted out."""

import pytest
from django.test import Client

from accounts.actions import do_create_api_key
from accounts.models import User
from tests.accounts.api import Api, assert_error
from tests.trading import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    accounts = [
        world.make_trader(credits, name) for credits, name in ((9, "ann"), (8, "ben"), (8, "cat"))
    ]
    User.objects.filter(handle="ann").update(display_name="Ann A.")
    return accounts


def key_of(account):
    _, secret = do_create_api_key(account, name="test", scopes=("read",), by=account.owner)
    return Api(Client(), bearer=secret)


def test_strangers_read_it(people):
    answer = Api(Client()).get("leaderboard?period=all&by=equity").json()
    assert answer.keys() == {"period", "by", "since", "as_of", "ranked", "results", "me"}
    assert (answer["period"], answer["by"], answer["since"]) == ("all", "equity", None)
    assert answer["me"] is None
    assert answer["results"][0] == {
        "rank": 1,
        "handle": "ann",
        "display_name": "Ann A.",
        "profit": "0.000000",
        "equity": "9.000000",
    }
    assert [row["rank"] for row in answer["results"]] == [1, 2, 2]


def test_it_returns_the_callers_own_place(people):
    answer = key_of(people[2]).get("leaderboard?by=equity").json()
    assert (answer["period"], answer["me"]["rank"], answer["me"]["handle"]) == ("week", 2, "cat")
    assert answer["since"].endswith("T00:00:00.000000Z")


def test_who_opted_out_has_no_place(people):
    User.objects.filter(handle="ann").update(on_leaderboards=False)
    answer = key_of(people[0]).get("leaderboard?by=equity").json()
    assert answer["me"] is None
    assert [row["handle"] for row in answer["results"]] == ["ben", "cat"]
    assert answer["ranked"] == 2


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("period=year", "invalid_choice", "period"),
        ("by=luck", "invalid_choice", "by"),
        ("limit=5", "unknown_field", "limit"),
        ("by=profit&by=equity", "repeated_field", "by"),
    ],
)
def test_bad_queries_are_refused(db, query, code, field):
    assert_error(Api(Client()).get(f"leaderboard?{query}"), 400, code, field)
