"""People are told of what happened to them: once, where they want it, in their words."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.clock import now_us
from accounts.models import Account
from markets.actions import do_approve_market, do_propose_market, do_reject_market
from markets.models import Market, Resolution
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions, derive, notify, own_data
from trading.engine.types import Terms, Tif
from trading.mails import send_due
from trading.models import MailState, Notification, NotificationChoice, NotificationKind
from trading.sentences import describe
from trading.settlement import settle_market

pytestmark = pytest.mark.django_db


def told(account):
    """Titles of an account's notifications, oldest first."""
    rows = Notification.objects.filter(user=account.owner_id).order_by("id")
    return [describe(row).title for row in rows.select_related("market")]


def choose(account, kind, *, on_site=True, by_mail=False):
    NotificationChoice.objects.create(
        user_id=account.owner_id, kind=kind, on_site=on_site, by_mail=by_mail
    )


def settle(market, operator, payout_pips):
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=payout_pips, evidence_text="seen")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)


def test_whose_order_rested_is_told_of_its_fills_and_who_took_is_not(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    derive.derive_market(market.pk)
    assert told(bob) == ["Sold 4 Yes at 0.60"]
    assert told(alice) == []


def test_more_fills_of_one_order_are_one_notification_until_it_is_read(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    derive.derive_market(market.pk)
    run(shard, buy(market, alice, 60, 100))
    derive.derive_market(market.pk)
    assert told(bob) == ["Sold 5 Yes at 0.60"]
    assert "5 still in the book" in describe(Notification.objects.get()).detail
    Notification.objects.update(read_at=timezone.now())
    run(shard, buy(market, alice, 60, 500))
    derive.derive_market(market.pk)
    assert told(bob) == ["Sold 5 Yes at 0.60", "Sold 5 Yes at 0.60"]


def test_an_order_for_no_is_told_as_it_was_entered(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000, as_no=True), buy(market, alice, 60, 1_000))
    derive.derive_market(market.pk)
    assert told(bob) == ["Bought 10 No at 0.40"]


def test_deriving_twice_and_rebuilding_tell_nobody_again(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    derive.derive_market(market.pk)
    derive.derive_market(market.pk)
    derive.rebuild_market(market.pk)
    assert told(bob) == ["Sold 4 Yes at 0.60"]


def test_an_order_that_expires_is_told(shard, market, alice, monkeypatch):
    soon = now_us() + 1_000_000
    order = buy(market, alice, 40, 500, tif=Tif.GTD, terms=Terms(expires_at_us=soon))
    run(shard, order)
    world.set_clock(monkeypatch, lambda: soon + 1)
    actions.do_pass_time(market.pk)
    derive.derive_market(market.pk)
    assert told(alice) == ["Your order to buy 5 Yes at 0.40 expired"]


def test_programs_of_the_exchange_are_told_nothing(shard, market, alice, bob):
    Account.objects.filter(pk=bob.pk).update(kind="system")
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    derive.derive_market(market.pk)
    assert not Notification.objects.exists()


def test_holders_are_told_once_that_trading_ends_soon(shard, market, alice, bob):
    carol = world.make_account(name="carol")
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    Market.objects.filter(pk=market.pk).update(close_at=timezone.now() + timedelta(hours=3))
    for _ in range(3):
        notify.tell_due()
    [title] = told(alice)
    assert title.startswith("Trading ends soon: ")
    assert len(told(bob)) == 1
    assert told(carol) == []


def test_a_result_tells_each_holder_what_was_paid_and_the_profit(
    shard, market, alice, bob, operator
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    settle(market, operator, [10_000, 0])
    for _ in range(3):
        notify.tell_due()
    assert told(alice) == ["Resolved: you were paid ¤10.00, profit +¤4.00"]
    assert told(bob) == ["Resolved: you were paid ¤0.00, profit \N{MINUS SIGN}¤4.00"]


def test_holders_are_told_in_steps_that_may_stop_anywhere(
    shard, market, alice, bob, operator, monkeypatch
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    settle(market, operator, [5_000, 5_000])
    monkeypatch.setattr(notify, "MARGINS_A_STEP", 1)
    monkeypatch.setattr(notify, "SECONDS_MAX", -1.0)
    counts = []
    for _ in range(4):
        notify.tell_due()
        counts.append(Notification.objects.count())
    assert counts == [1, 2, 2, 2]


def test_a_void_says_what_came_back(shard, market, alice, bob, operator):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    actions.do_void_market(market, by=operator, reason="the question was unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    notify.tell_due()
    assert told(alice) == ["Voided: every trade was undone, you got ¤6.00 back"]


def test_what_operators_say_of_a_proposal_reaches_its_proposer_once(shard, operator, alice):
    draft = world.make_market()
    Market.objects.filter(pk=draft.pk).update(
        creator=alice.owner_id, approved_at=None, approved_by=None
    )
    draft.refresh_from_db()
    do_propose_market(draft, by=alice.owner)
    do_reject_market(draft, by=operator, reason="Say which airport.")
    for _ in range(2):
        notify.tell_due()
    assert told(alice) == ["Your market needs changes"]
    assert "Say which airport." in describe(Notification.objects.get()).detail
    do_propose_market(draft, by=alice.owner)
    do_approve_market(draft, by=operator)
    notify.tell_due()
    assert told(alice) == ["Your market needs changes", "Your market was approved"]


def test_who_wants_none_gets_none_and_who_wants_mail_gets_one(shard, market, alice, bob):
    choose(bob, NotificationKind.FILL, on_site=False, by_mail=True)
    carol = world.make_account(name="carol")
    choose(carol, NotificationKind.FILL, on_site=False)
    run(shard, sell(market, bob, 60, 100), sell(market, carol, 61, 100))
    run(shard, buy(market, alice, 61, 200))
    derive.derive_market(market.pk)
    assert told(carol) == []
    assert Notification.objects.get().read_at is not None
    send_due()
    send_due()
    [message] = mail.outbox
    assert message.to == ["bob@example.com"]
    assert message.subject == "predex: Sold 1 Yes at 0.60"
    assert f"/markets/{market.slug}/" in message.body
    assert Notification.objects.get().mail == MailState.SENT


def test_a_mail_that_can_not_be_handed_over_is_due_again(shard, market, alice, bob, monkeypatch):
    choose(bob, NotificationKind.FILL, by_mail=True)
    run(shard, sell(market, bob, 60, 100), buy(market, alice, 60, 100))
    derive.derive_market(market.pk)

    def refuse(*arguments, **options):
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.message.EmailMessage.send", refuse)
        send_due()
    assert mail.outbox == []
    send_due()
    assert len(mail.outbox) == 1


def test_old_ones_are_forgotten(shard, market, alice, monkeypatch):
    monkeypatch.setattr(notify, "KEPT_MAX", 3)
    rows = [Notification(user_id=alice.owner_id, kind="closing", market=market) for _ in range(5)]
    Notification.objects.bulk_create(rows)
    Notification.objects.filter(pk=rows[4].pk).update(
        created_at=timezone.now() - timedelta(days=181)
    )
    notify.forget_old()
    assert set(Notification.objects.values_list("pk", flat=True)) == {row.pk for row in rows[1:4]}


def test_notifications_are_part_of_one_s_data_and_leave_with_their_user(market, alice):
    row = Notification.objects.create(user_id=alice.owner_id, kind="voided", market=market)
    NotificationChoice.objects.create(user_id=alice.owner_id, kind="fill", by_mail=True)
    [shown] = own_data.list_notifications(alice.owner_id)
    assert shown.keys() == set(own_data.NOTIFICATION_COLUMNS)
    assert shown["title"] == describe(row).title
    own_data.forget_user(alice.owner_id)
    assert not Notification.objects.exists()
    assert not NotificationChoice.objects.exists()
