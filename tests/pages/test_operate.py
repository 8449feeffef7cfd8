"""A market's page for operators: what they may do to it now, and back to the page after it."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from markets.actions import do_propose_market
from markets.models import Market
from tests.markets.factories import let_everyone_create
from tests.pages.trading import browser_of, shard
from tests.trading import world
from trading import actions

__all__ = ["shard"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db):
    return world.make_user("olga", staff=True)


@pytest.fixture
def site(operator):
    return log_in(operator)


def log_in(user):
    client = Client()
    client.force_login(user, backend="accounts.backends.Backend")
    return client


def read_links(client, market):
    """Return what operators are offered on the page: title -> address."""
    page = client.get(f"/markets/{market.slug}/").content.decode()
    bar = re.search(r'<nav [^>]*aria-label="For operators">(.*?)</nav>', page, re.DOTALL)
    found = re.findall(r'href="([^"]+)">([^<]+)</a>', bar[1]) if bar else []
    return {title: href.replace("&amp;", "&") for href, title in found}


def test_a_draft_made_on_the_site_is_opened_halted_and_closed_from_its_page(site, operator, shard):
    market = world.make_market(dispute_seconds=0)
    for title, status in (
        ("Open", "open"), ("Halt", "halted"), ("Resume", "open"), ("Close now", "closed")
    ):  # fmt: skip
        answer = site.post(read_links(site, market)[title], {"reason": "because"})
        assert answer.url == f"/markets/{market.slug}/"
        market.refresh_from_db()
        assert market.status == status
    links = read_links(site, market)
    assert links["Propose a result"] == "#propose"
    assert 'id="propose"' in site.get(f"/markets/{market.slug}/").content.decode()
    assert links["Manage"] == f"/admin/markets/market/{market.pk}/change/"
    assert site.get(links["Manage"]).status_code == 200


def test_an_act_leads_back_to_no_other_site(site, operator, shard):
    market = world.make_market()
    for begun in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        page = f"/admin/markets/market/{market.pk}/do/feature/?next={begun}"
        assert "evil" not in str(site.get(page).context["back"])
        market.featured = False
        market.save()
        assert site.post(page).url == f"/admin/markets/market/{market.pk}/change/"


def test_a_proposal_is_approved_and_opened_in_one_act(site, operator, shard):
    let_everyone_create()
    alice = world.make_account(name="alice")
    market = world.make_market()
    Market.objects.filter(pk=market.pk).update(
        creator=alice.owner, approved_at=None, approved_by=None
    )
    market.refresh_from_db()
    do_propose_market(market, by=alice.owner)
    links = read_links(site, market)
    assert {"Approve and open", "Approve", "Reject", "Correct it", "Manage"} == set(links)
    assert "Proposed by" in site.get(links["Approve and open"]).content.decode()
    site.post(links["Approve and open"], {"reason": "Good question"})
    market.refresh_from_db()
    assert (market.status, market.approved_by) == ("open", operator)
    assert read_links(browser_of(alice), market) == {}


def test_an_approval_whose_opening_did_not_come_through_is_finished_by_asking_again(
    site, operator, shard, monkeypatch
):
    from trading.pipeline.gateway import EngineAway

    let_everyone_create()
    alice = world.make_account(name="alice")
    market = world.make_market()
    Market.objects.filter(pk=market.pk).update(
        creator=alice.owner, approved_at=None, approved_by=None
    )
    market.refresh_from_db()
    do_propose_market(market, by=alice.owner)

    def away(tasks):
        raise EngineAway(1)

    path = f"/api/v1/markets/{market.slug}/approve-and-open"
    with monkeypatch.context() as without_engine:
        without_engine.setattr("trading.actions.engine.send_sync", away)
        assert site.post(path, {}, content_type="application/json").status_code == 503
    market.refresh_from_db()
    assert (market.status, market.is_approved) == ("draft", True)
    assert site.post(path, {}, content_type="application/json").json()["status"] == "open"


def test_a_dispute_is_decided_from_the_market_s_page_while_it_is_open(site, operator, shard):
    market = world.make_market(dispute_seconds=3_600)
    world.open_market(shard, market)
    alice, bob = world.make_account(name="alice"), world.make_account(name="bob")
    world.run(shard, world.sell(market, bob, 60, 100), world.buy(market, alice, 60, 100))
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    assert "Decide the dispute" not in read_links(site, market)
    disputes = [actions.do_dispute_result(market, by=bob.owner, text="It was no.")]
    link = read_links(site, market)["Decide the dispute"]
    assert link == f"/admin/markets/dispute/{disputes[0].pk}/change/"
    assert "It was no." in site.get(link).content.decode()
    assert "Decide the dispute" not in read_links(browser_of(bob), market)
    disputes.append(actions.do_dispute_result(market, by=alice.owner, text="It was half."))
    listed = site.get(read_links(site, market)["Decide the disputes"])
    assert set(listed.context["cl"].result_list) == set(disputes)
    for dispute in disputes:
        site.post(f"/admin/markets/dispute/{dispute.pk}/do/dismiss/", {"reason": "It was yes."})
    assert not any("dispute" in title for title in read_links(site, market))


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("operator", {"Halt", "Close now", "Manage"}),
        ("resolver", {"Manage"}),
        ("finance", set()),
    ],
)
def test_each_role_is_offered_what_it_may_do(role, offered, shard):
    market = world.make_market()
    world.open_market(shard, market)
    user = world.make_user("rosa", staff=True)
    user.is_superuser = False
    user.save()
    user.groups.add(Group.objects.get(name=role))
    assert set(read_links(log_in(user), market)) == offered
