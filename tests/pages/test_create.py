"""Creating a market on the website: form, preview, draft, approval."""

from datetime import UTC, datetime

import pytest

from accounts.models import Policy
from markets.models import Category, Group, GroupMember, Market, Tag
from markets.outcome_codes import make_codes
from tests.trading.world import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

GOOD = {
    "kind": "binary", "title": "Will it rain in Rome?", "rules": "Yes if it rains.",
    "close_at": "2031-07-01T14:00", "visibility": "public", "act": "create",
}  # fmt: skip


@pytest.fixture
def creator(client):
    Policy.objects.update(who_may_create="everyone")
    user = make_user("carla")
    client.force_login(user)
    return user


@pytest.fixture
def operator(client):
    from django.contrib.auth.models import Permission

    user = make_user("olga", staff=True)
    user.user_permissions.add(Permission.objects.get(codename="manage_markets"))
    client.force_login(user)
    return user


def post(client, path="/create/", **fields):
    return client.post(path, {**GOOD, **fields})


def test_a_creator_s_market_goes_to_the_operators(client, creator):
    response = post(client)
    market = Market.objects.get()
    assert response.url == f"/markets/{market.slug}/"
    assert (market.status, market.creator, market.approved_at) == ("proposed", creator, None)
    assert list(market.outcomes.values_list("code", flat=True)) == ["YES", "NO"]


def test_an_operator_s_market_is_a_draft_that_may_be_opened(client, operator):
    post(client)
    market = Market.objects.get()
    assert (market.status, market.is_approved) == ("draft", True)


def test_the_close_is_in_the_viewer_s_zone(client, creator):
    client.cookies["tz"] = "Europe/Berlin"
    post(client)
    assert Market.objects.get().close_at == datetime(2031, 7, 1, 12, 0, tzinfo=UTC)


def test_a_categorical_market_has_an_outcome_for_each_line(client, creator):
    lines = "Ångström United\n\n  Berlin   FC \n東京\nOther"
    post(client, kind="categorical", outcomes_text=lines)
    outcomes = Market.objects.get().outcomes.values_list("code", "name")
    assert list(outcomes) == [
        ("ANGSTROM-UNITED", "Ångström United"), ("BERLIN-FC", "Berlin FC"),
        ("O3", "東京"), ("OTHER", "Other"),
    ]  # fmt: skip


def test_a_preview_changes_nothing_and_keeps_what_was_written(client, creator):
    page = post(client, act="preview", title="Will <b>it</b> rain?").content.decode()
    assert "Preview" in page
    assert "Will &lt;b&gt;it&lt;/b&gt; rain?" in page
    assert "Jul 1, 2031, 14:00 UTC" in page
    assert not Market.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": ""}, "This field is required"),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"title": "Rain\u202eniaR"}, "Control characters"),
        ({"rules": "  "}, "This field is required"),
        ({"close_at": "2001-01-01T00:00"}, "That time has already passed"),
        ({"close_at": "tomorrow"}, "Enter a valid date"),
        ({"kind": "categorical", "outcomes_text": "only one"}, "Enter 2 to 50 outcomes"),
        ({"kind": "categorical", "outcomes_text": "a\nA"}, "Each outcome is named once"),
        ({"visibility": "group"}, "Choose a group"),
        ({"kind": "auction"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(client, creator, fields, said):
    response = post(client, **fields)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Market.objects.exists()


def test_a_title_that_is_too_long_is_refused_whole_and_cut_nowhere(client, creator):
    title = f"Will {'it rain and ' * 20}snow?"
    response = post(client, title=title)
    assert "at most 200 characters (it has 250)" in response.content.decode()
    assert title in response.content.decode()
    assert not Market.objects.exists()
    pages = (
        "/create/",
        "/groups/",
        "/account/",
        "/account/keys/",
        "/",
        "/accounts/password/change/",
    )
    assert [path for path in pages if "maxlength" in client.get(path).content.decode()] == []
    client.logout()
    assert "maxlength" not in client.get("/accounts/signup/").content.decode()


def test_a_group_s_market_is_for_its_members_only(client, creator):
    group = Group.objects.create(slug="insiders", name="Insiders")
    assert post(client, visibility="group", group=group.pk).status_code == 422
    GroupMember.objects.create(group=group, user=creator)
    post(client, visibility="group", group=group.pk)
    assert Market.objects.get().group == group


def test_category_and_tags_are_kept(client, creator):
    category = Category.objects.create(slug="weather", name="Weather")
    tags = [Tag.objects.create(slug=name, name=name) for name in ("rain", "rome")]
    post(client, category=category.pk, tags=[tag.pk for tag in tags])
    market = Market.objects.get()
    assert (market.category, list(market.tags.all())) == (category, tags)


def test_by_policy_only_operators_create(client):
    client.force_login(make_user("bob"))
    assert client.get("/create/").status_code == 403


def test_without_a_log_in_there_is_the_log_in_page(client):
    assert client.get("/create/").url == "/accounts/login/?next=/create/"


def test_a_draft_is_edited_only_by_its_creator(client, operator):
    post(client, kind="categorical", outcomes_text="A\nB")
    market = Market.objects.get()
    edit = f"/markets/{market.slug}/edit/"
    assert "Will it rain in Rome?" in client.get(edit).content.decode()
    post(client, edit, title="Will it snow?", outcomes_text="A\nB\nC", kind="categorical")
    market.refresh_from_db()
    assert (market.title, market.outcomes.count()) == ("Will it snow?", 3)
    client.force_login(make_user("bob"))
    assert client.get(edit).status_code == 404


def test_a_rejected_draft_is_mended_and_proposed_again(client, creator):
    from markets.actions import do_reject_market

    post(client)
    market = Market.objects.get()
    operator = make_user("olga", staff=True)
    operator.is_superuser = True
    operator.save()
    do_reject_market(market, by=operator, reason="Say where in Rome.")
    post(client, f"/markets/{market.slug}/edit/", rules="Yes if it rains at the Forum.")
    market.refresh_from_db()
    assert (market.status, market.rules) == ("proposed", "Yes if it rains at the Forum.")


def test_a_proposer_has_a_list_of_their_proposals_with_what_operators_said(client, creator):
    from markets.actions import do_reject_market

    assert "not proposed a market yet" in client.get("/proposals/").content.decode()
    post(client)
    post(client, title="Will it snow in Rome?")
    do_reject_market(
        Market.objects.get(title="Will it rain in Rome?"),
        by=make_user("olga", staff=True),
        reason="Say where in Rome.",
    )
    page = client.get("/proposals/").content.decode()
    assert page.index("snow in Rome") < page.index("rain in Rome")
    assert page.count("note: Say where in Rome.") == 1
    assert page.count("Waiting for approval") == 1
    client.force_login(make_user("bob"))
    assert "Rome" not in client.get("/proposals/").content.decode()


def test_what_an_operator_creates_directly_is_no_proposal_of_theirs(client):
    client.force_login(make_user("olga", staff=True))
    post(client, title="Will it hail in Rome?")
    assert Market.objects.get().is_approved
    assert "Will it hail" not in client.get("/proposals/").content.decode()


def test_an_operator_corrects_a_proposal_on_the_site_and_it_stays_one(client, creator):
    group = Group.objects.create(slug="insiders", name="Insiders")
    GroupMember.objects.create(group=group, user=creator)
    post(client, visibility="group", group=group.pk)
    edit = f"/markets/{Market.objects.get().slug}/edit/"
    assert client.get(edit).status_code == 409  # its creator handed it over
    client.force_login(make_user("olga", staff=True))
    assert "Correct the proposal" in client.get(edit).content.decode()
    post(client, edit, title="Will it rain at the Forum?", visibility="group", group=group.pk)
    market = Market.objects.get()
    assert (market.title, market.status, market.creator) == (
        "Will it rain at the Forum?", "proposed", creator
    )  # fmt: skip
    assert market.group == group


def test_codes_are_distinct_whatever_the_names():
    names = ["Same name!", "same name?", "!!!", "x" * 100, "x" * 100 + "y"]
    codes = make_codes(names)
    assert len(set(codes)) == len(names)
    assert all(0 < len(code) <= 32 for code in codes)


def test_a_subsidy_gives_the_market_a_maker_and_is_shown_when_edited(client, operator):
    lines = "Red\nGreen\nBlue"
    fields = {"kind": "categorical", "outcomes_text": lines, "maker_subsidy_micros": "50"}
    assert "50.00" in post(client, **fields, act="preview").content.decode()
    post(client, **fields, maker_alone="on")
    market = Market.objects.get()
    assert (market.maker_b_lots, market.maker_alone) == (4_551, True)
    path = f"/markets/{market.slug}/edit/"
    page = client.get(path)
    assert page.context["form"]["maker_subsidy_micros"].value() == "49.997846"
    # The liquidity follows from the outcomes that the form has, not from those that it had.
    post(client, path, **{**fields, "outcomes_text": "Red\nGreen"})
    market.refresh_from_db()
    assert (market.maker_b_lots, market.maker_alone) == (7_213, False)
    post(client, path, **{**fields, "maker_subsidy_micros": ""})
    market.refresh_from_db()
    assert market.maker_b_lots is None


def test_a_subsidy_that_is_too_small_is_said_beside_it(client, operator):
    response = post(client, maker_subsidy_micros="0.5")
    assert response.status_code == 422
    [error] = response.context["form"].errors["maker_subsidy_micros"]
    assert error == "A market maker costs 0.693148 at least here."
