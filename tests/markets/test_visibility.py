"""Visibility of markets: the function, and every entry point that must use it."""

import pytest

from markets.models import Event, Market, Series, Tag
from tests.accounts.api import assert_error
from tests.markets.factories import (
    api_of,
    in_days,
    let_everyone_create,
    make_group,
    make_market,
    make_user,
)

pytestmark = pytest.mark.django_db

PEOPLE = ["anonymous", "other", "creator", "resolver", "member", "staff", "operator"]
INSIDERS = {"creator", "resolver", "staff", "operator"}
HIDDEN = {"draft", "proposed"}


@pytest.fixture
def people():
    staff = make_user("staff_member")
    staff.is_staff = True
    staff.save()
    return {
        "anonymous": None,
        "other": make_user("otto"),
        "creator": make_user("carla"),
        "resolver": make_user("rita"),
        "member": make_user("mona"),
        "staff": staff,
        "operator": make_user("olivia", operator=True),
    }


@pytest.fixture
def make_their_market(people):
    group = make_group(people["member"])

    def make(visibility, status):
        market = make_market(by=people["operator"], status=status, resolver=people["resolver"])
        Market.objects.filter(pk=market.pk).update(
            creator=people["creator"],
            visibility=visibility,
            group=group if visibility == "group" else None,
        )
        return market

    return make


def should_see(person, visibility, status):
    if person in INSIDERS:
        return True
    if status in HIDDEN:
        return False
    return visibility != "group" or person == "member"


def should_find(person, visibility, status):
    if not should_see(person, visibility, status):
        return False
    return visibility != "unlisted" or person in INSIDERS


@pytest.mark.parametrize("status", Market.Status.values)
@pytest.mark.parametrize("visibility", Market.Visibility.values)
def test_everyone_sees_exactly_what_they_should(people, make_their_market, visibility, status):
    market = make_their_market(visibility, status)
    for person, user in people.items():
        seen = Market.objects.visible_to(user).filter(pk=market.pk).count()
        found = Market.objects.listed_for(user).filter(pk=market.pk).count()
        assert seen == should_see(person, visibility, status), person
        assert found == should_find(person, visibility, status), person


@pytest.mark.parametrize("status", ["draft", "open"])
@pytest.mark.parametrize("visibility", Market.Visibility.values)
@pytest.mark.parametrize("person", PEOPLE)
def test_every_entry_point_shows_what_the_function_returns(
    people, make_their_market, person, visibility, status
):
    market = make_their_market(visibility, status)
    api = api_of(people[person])
    listed = [row["slug"] for row in api.get("markets").json()["results"]]
    assert listed == [market.slug] * should_find(person, visibility, status)
    expected = 200 if should_see(person, visibility, status) else 404
    for path in ("", "/history"):
        assert api.get(f"markets/{market.slug}{path}").status_code == expected


@pytest.mark.parametrize("person", ["other", "member"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("get", "/history"),
        ("patch", ""),
        ("put", "/outcomes"),
        ("post", "/propose"),
        ("post", "/approve"),
        ("post", "/reject"),
    ],
)
def test_an_invisible_market_and_an_unknown_one_get_the_same_answer(
    people, make_their_market, person, method, path
):
    market = make_their_market("group", "draft")
    api = api_of(people[person])
    answers = []
    for slug in (market.slug, "no-such-market"):
        response = api.call(method, f"markets/{slug}{path}", None if method == "get" else {}, {})
        assert_error(response, 404, "not_found")
        answers.append({**response.json(), "request_id": ""})
    assert answers[0] == answers[1]


def test_a_member_who_left_sees_no_more(people, make_their_market):
    market = make_their_market("group", "open")
    member = people["member"]
    assert market in Market.objects.visible_to(member)
    market.refresh_from_db()
    market.group.memberships.filter(user=member).delete()
    assert market not in Market.objects.visible_to(member)


def test_a_member_of_another_group_sees_nothing(people, make_their_market):
    market = make_their_market("group", "open")
    outsider = make_user()
    make_group(outsider, slug="others")
    assert market not in Market.objects.visible_to(outsider)


def test_an_operator_who_was_closed_sees_as_a_stranger(people, make_their_market):
    market = make_their_market("public", "draft")
    operator = people["operator"]
    operator.is_active = False
    assert market not in Market.objects.visible_to(operator)


def test_a_market_is_listed_once_for_who_is_creator_resolver_and_member_at_once(people):
    creator = people["creator"]
    group = make_group(creator, people["member"], slug="doubles")
    market = make_market(by=people["operator"], status="open", visibility="group", group=group)
    Market.objects.filter(pk=market.pk).update(creator=creator, resolver=creator)
    assert list(Market.objects.visible_to(creator)) == [market]


def test_notes_on_a_draft_are_shown_only_to_creator_and_operators(people, make_their_market):
    market = make_their_market("public", "open")

    def history(person):
        rows = api_of(people[person]).get(f"markets/{market.slug}/history").json()["results"]
        return [(row["from_status"], row["to_status"]) for row in rows]

    assert history("anonymous") == history("other") == [("draft", "open")]
    assert history("creator") == history("operator") == [(None, "draft"), ("draft", "open")]


def test_names_that_only_a_group_s_markets_have_are_shown_to_those_who_see_them(people):
    """At every entry point: catalogue, front page, its filters, the form, a market's fields."""
    let_everyone_create()
    group = make_group(people["member"])
    tags, events = {}, {}
    for name in ("secret", "known", "unused"):
        tags[name] = Tag.objects.create(slug=f"{name}-tag", name=f"{name} tag")
        series = Series.objects.create(slug=f"{name}-series", title=f"{name} series")
        events[name] = Event.objects.create(slug=f"{name}-event", title=name, series=series)
    hidden = {"visibility": "group", "group": group, "status": "open"}
    for names, fields in ((("secret", "known"), hidden), (("known",), {"status": "open"})):
        make_market(
            by=people["operator"],
            tags=[tags[name] for name in names],
            event=events[names[0]],
            **fields,
        )
    assert_shown_to_insiders_only(people)


def assert_shown_to_insiders_only(people):
    new = {"title": "Mine?", "close_at": in_days(3).isoformat()}
    for person in ("anonymous", "other", "member", "operator"):
        api, knows = api_of(people[person]), person in ("member", "operator")
        for kind in ("tags", "events", "series"):
            seen = {row["slug"] for row in api.get(kind).json()["results"]}
            noun = {"tags": "tag", "events": "event", "series": "series"}[kind]
            assert (f"secret-{noun}" in seen) == knows, (person, kind)
            assert {f"known-{noun}", f"unused-{noun}"} <= seen
            status = api.client.get(f"/?{noun}=secret-{noun}").status_code
            assert status == (200 if knows else 404), (person, kind)
            for filtered in (f"secret-{noun}", f"known-{noun}", "nothing-at-all"):
                status = api.get(f"markets?{noun}={filtered}").status_code
                is_told = filtered == f"known-{noun}" or (knows and filtered != "nothing-at-all")
                assert status == (200 if is_told else 404), (person, filtered)
        assert ("secret-tag" in api.client.get("/").content.decode()) == knows, person
        if person == "anonymous":
            continue
        assert ("secret tag" in api.client.get("/create/").content.decode()) == knows, person
        for field, value in (("tags", ["secret-tag"]), ("event", "secret-event")):
            made = api.post("markets", {**new, field: value})
            assert made.status_code == (201 if knows else 400), (person, field)


def test_names_of_an_unlisted_market_are_found_by_address_only(people):
    tag = Tag.objects.create(slug="quiet", name="Quiet")
    make_market(by=people["operator"], status="open", visibility="unlisted", tags=[tag])
    api = api_of(people["other"])
    assert api.get("tags").json()["results"] == []
    assert "tag=quiet" not in api.client.get("/").content.decode()
    assert api.client.get("/?tag=quiet").status_code == 200
