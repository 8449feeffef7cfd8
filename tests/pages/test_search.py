"""Searching the markets: what is looked at, how it is ranked, who finds what, and what it costs."""

import re

import pytest

from markets.models import Category, Event, Tag
from markets.queries import list_markets
from tests.markets import factories
from tests.pages.home import make_market, quote, read, titles

pytestmark = pytest.mark.django_db


def test_search_finds_every_word_in_title_or_description(client):
    make_market("Will gold be dearer?", description="London fixing")
    make_market("Will silver be dearer?")
    assert titles(client.get("/?q=dearer+london")) == ["Will gold be dearer?"]
    assert titles(client.get("/?q=%00silver%00")) == ["Will silver be dearer?"]
    assert len(titles(client.get("/?q=dearer"))) == 2


def test_search_finds_what_a_page_says_and_ranks_it_by_where_it_says_it(client):
    names = [("ROM", "Rome"), ("MAD", "Madrid")]
    sport = Category.objects.create(slug="sport", name="Sport in Madrid")
    tag = Tag.objects.create(slug="madrid", name="madrid")
    night = Event.objects.create(slug="night", title="A night in Madrid")
    make_market("By its rules", rules="The airport of Madrid counts.", volume_lots=900)
    make_market("By its tag", tags=[tag], volume_lots=800)
    make_market("By its category", category=sport, volume_lots=700)
    make_market("By its event", event=night, volume_lots=600)
    make_market("By its outcome", kind="categorical", outcomes=names, volume_lots=500)
    make_market("Unmadridly", volume_lots=400)
    make_market("Is it hot in Madrid?", volume_lots=300)
    make_market("Madrid or not?", volume_lots=200)
    make_market("Elsewhere", volume_lots=1_000)
    ranked = [
        "Is it hot in Madrid?", "Madrid or not?", "Unmadridly", "By its outcome", "By its tag",
        "By its category", "By its event", "By its rules",
    ]  # fmt: skip
    assert titles(client.get("/?q=madrid")) == ranked
    assert titles(client.get("/?q=MADRID+rom")) == ["By its outcome"]
    assert titles(client.get("/?q=madrid&sort=volume"))[0] == "By its rules"
    assert '<option value="" selected>Best match</option>' in (
        client.get("/?q=madrid").content.decode()
    )
    found = factories.api_of().get("markets?q=madrid&limit=3").json()
    assert [row["title"] for row in found["results"]] == ranked[:3]
    rest = factories.api_of().get(f"markets?q=madrid&cursor={found['next_cursor']}").json()
    assert [row["title"] for row in rest["results"]] == ranked[3:]


def test_a_phone_can_show_all_tags_where_there_are_more(client):
    tags = [Tag.objects.create(slug=f"t{index}", name=f"t{index}") for index in range(5)]
    market = make_market("Tagged?", tags=tags[:4])
    assert "All tags" not in read(client.get("/"))
    market.tags.add(tags[4])
    page = client.get("/").content.decode()
    assert "data-all-tags" in page
    assert page.count("chip-tag") == 5


def test_an_outcome_that_was_searched_for_comes_first_on_the_card(client):
    outcomes = [(f"C{index}", f"Candidate {index}") for index in range(4)]
    market = make_market("Who wins?", kind="categorical", outcomes=[*outcomes, ("MAD", "Madrid")])
    for index in range(5):
        quote(market, last_pips=3_000 - 500 * index, outcome=index)
    found = client.get("/?q=madrid+who")
    assert "Who wins? Madrid 10% Candidate 0 30% Candidate 1 25% +2 more" in read(found)
    url = re.search(r'data-url="([^"]*)"', found.content.decode())[1]
    assert "Madrid 10% Candidate 0 30%" in read(client.get(url))
    assert "Madrid" not in read(client.get("/"))


def test_yes_and_no_are_said_of_every_market_and_find_none(client):
    make_market("Will it rain?")
    assert titles(client.get("/?q=yes")) == []


def test_search_knows_the_case_of_every_letter(client):
    make_market("Wird Österreich Meister?")
    make_market("WER STEIGT IN KÖLN AB?")
    assert titles(client.get("/?q=österreich")) == ["Wird Österreich Meister?"]
    assert titles(client.get("/?q=KÖLN+steigt")) == ["WER STEIGT IN KÖLN AB?"]
    assert titles(client.get("/?q=köln")) == ["WER STEIGT IN KÖLN AB?"]


def test_search_finds_in_no_place_what_one_may_not_see(client):
    alice, bob = factories.make_user("alice"), factories.make_user("bob")
    group, tag = factories.make_group(alice), Tag.objects.create(slug="cake", name="secretcake")
    event = Event.objects.create(slug="party", title="Secretparty")
    names = [("A", "Secretanna"), ("B", "Secretbert")]
    make_market(
        "Ours alone", visibility="group", group=group, event=event, kind="categorical",
        outcomes=names, tags=[tag], rules="Secretrules", description="Secrettext",
    )  # fmt: skip
    words = ("ours", "secretcake", "secretparty", "secretanna", "secretrules", "secrettext")
    for user, expected in ((None, []), (bob, []), (alice, ["Ours alone"])):
        if user is not None:
            client.force_login(user)
        for word in words:
            assert titles(client.get(f"/?q={word}&status=all")) == expected, word
            found = factories.api_of(user).get(f"markets?q={word}").json()["results"]
            assert [row["title"] for row in found] == expected, word


@pytest.mark.parametrize("count", [1, 12])
def test_a_search_takes_the_same_number_of_queries_however_much_it_finds(
    client, count, django_assert_max_num_queries, django_assert_num_queries
):
    tag = Tag.objects.create(slug="hot", name="hot")
    names = [("ROM", "Rome"), ("MAD", "Madrid")]
    for number in range(count):
        make_market(f"Who {number}?", kind="categorical", outcomes=names, tags=[tag])
    with django_assert_max_num_queries(11):
        client.get("/?q=madrid+hot")
    with django_assert_num_queries(3):
        list(list_markets(None, search="madrid hot who", sort="relevance"))


def test_a_search_without_a_find_says_what_to_do(client):
    make_market(status="settled")
    page = client.get("/?q=%3Cb%3Erain")
    assert "Nothing found for “&lt;b&gt;rain”." in page.content.decode()
    assert "?q=%3Cb%3Erain&amp;status=all" in page.content.decode()
