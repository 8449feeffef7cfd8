"""What people traded on is not rewritten: it is clarified, dated, and they are notified."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from markets.actions import do_clarify_market, do_edit_market
from markets.models import Clarification, Market
from tests.lifecycle.results import refuse
from tests.lifecycle.test_notify import choose, titles_of
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.models import NotificationKind
from trading.notifications import notify
from trading.notifications.mails import send_due

pytestmark = pytest.mark.django_db


def trade(shard, market, buyer, seller):
    run(shard, sell(market, seller, 60, 100), buy(market, buyer, 60, 100))


def test_texts_of_a_market_that_has_traded_stay_as_they_are(shard, market, alice, bob, operator):
    do_edit_market(market, by=operator, fields={"description": "Mended before a trade"})
    run(shard, sell(market, bob, 60, 100))
    do_edit_market(market, by=operator, fields={"description": "An order is no trade"})
    run(shard, buy(market, alice, 60, 100))
    for name in ("description", "resolution_source"):
        refuse("texts_are_fixed", do_edit_market, market, by=operator, fields={name: "Other"})
    do_edit_market(market, by=operator, fields={"featured": True})
    market.refresh_from_db()
    assert (market.description, market.featured) == ("An order is no trade", True)


def test_the_admin_shows_texts_of_a_market_that_has_traded(shard, market, alice, bob, operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    page = f"/admin/markets/market/{market.pk}/change/"
    assert b'name="description"' in site.get(page).content
    trade(shard, market, alice, bob)
    assert b'name="description"' not in site.get(page).content


def test_operators_and_the_creator_clarify_and_nobody_else(shard, market, alice, operator):
    refuse("not_your_market", do_clarify_market, market, by=alice.owner, text="Snow counts.")
    Market.objects.filter(pk=market.pk).update(creator=alice.owner)
    market.refresh_from_db()
    do_clarify_market(market, by=alice.owner, text="  Snow counts. ")
    do_clarify_market(market, by=operator, text="Hail too.")
    refuse("blank", do_clarify_market, market, by=operator, text=" ")
    refuse("too_long", do_clarify_market, market, by=operator, text="x" * 5_001)
    assert [row.text for row in market.clarifications.all()] == ["Snow counts.", "Hail too."]
    events = AuditEvent.objects.filter(action="clarify_market").order_by("id")
    assert [event.actor for event in events] == [alice.owner, operator]


def test_a_draft_is_edited_and_what_is_final_is_not_clarified(shard, draft, operator):
    refuse("not_opened_yet", do_clarify_market, draft, by=operator, text="x")
    actions.do_open_market(draft, by=operator)
    actions.do_void_market(draft, by=operator, reason="x")
    do_clarify_market(draft, by=operator, text="It is being voided.")
    Market.objects.filter(pk=draft.pk).update(status="voided", settled_at=timezone.now())
    refuse("result_is_final", do_clarify_market, draft, by=operator, text="x")


def test_the_database_keeps_clarifications_as_they_are(market, operator):
    do_clarify_market(market, by=operator, text="Snow counts.")
    for statement in (
        "UPDATE markets_clarification SET text = 'Snow does not.'",
        "DELETE FROM markets_clarification",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert Clarification.objects.get().text == "Snow counts."


def test_who_has_a_position_or_an_order_hears_of_each_clarification_once(
    shard, market, alice, bob, operator
):
    carol, dave = world.make_account(name="carol"), world.make_account(name="dave")
    trade(shard, market, alice, bob)
    run(shard, buy(market, carol, 30, 100))
    choose(bob, NotificationKind.CLARIFIED, on_site=False, by_mail=True)
    do_clarify_market(market, by=operator, text="Snow counts.")
    notify.notify_due()
    do_clarify_market(market, by=operator, text="Hail too.")
    notify.notify_due()
    notify.notify_due()
    for account in (alice, carol):
        assert titles_of(account) == ["The rules were clarified"] * 2
    assert titles_of(dave) == []
    send_due()
    [sent] = mail.outbox
    assert sent.to == [bob.owner.email]
    assert "Snow counts." in sent.body
    assert "Hail too." in sent.body


def test_holders_hear_of_each_move_of_the_close_time(shard, market, alice, bob, operator):
    trade(shard, market, alice, bob)
    for days in (40, 50):
        later = timezone.now() + timedelta(days=days)
        actions.do_change_close_time(market, by=operator, close_at=later, reason="postponed")
        notify.notify_due()
        notify.notify_due()
    first, second = titles_of(alice)
    assert first.startswith("Trading now ends on ")
    assert first != second
    assert titles_of(bob) == [first, second]


def test_clarifications_stand_below_the_rules_and_on_the_api(shard, market, operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    page = f"/markets/{market.slug}/"
    assert 'id="clarify"' in site.get(page).text
    assert 'id="clarify"' not in Client().get(page).text
    answer = site.post(f"{page}clarify/", {"text": "Snow <b>counts</b>."}, follow=True)
    assert "The clarification is published." in answer.text
    assert "Snow &lt;b&gt;counts&lt;/b&gt;." in Client().get(page).text
    url = f"/api/v1/markets/{market.slug}"
    posted = site.post(
        f"{url}/clarifications", {"text": "Hail too."}, content_type="application/json"
    )
    assert posted.status_code == 201
    shown = Client().get(url).json()["clarifications"]
    assert [row["text"] for row in shown] == ["Snow <b>counts</b>.", "Hail too."]
    assert shown[0]["by"] == operator.handle
    assert Client().post(f"{page}clarify/", {"text": "x"}).status_code == 302
    assert Clarification.objects.count() == 2


def test_an_operator_clarifies_in_the_admin(shard, market, operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    url = f"/admin/markets/market/{market.pk}/do/clarify/"
    assert site.get(url).status_code == 200
    assert site.post(url, {"text": "Snow counts."}).status_code == 302
    assert Clarification.objects.get().text == "Snow counts."
    assert "Snow counts." in site.get(f"/admin/markets/market/{market.pk}/change/").text
