"""Users are notified of events once, on their preferred channels, in their language."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.actions import (
    do_decide_deposit,
    do_decide_withdrawal,
    do_deposit,
    do_grant,
    do_request_deposit,
    do_request_withdrawal,
)
from accounts.models import Account, User
from kernel.clock import now_us
from markets.actions import do_approve_market, do_propose_market, do_reject_market
from markets.models import Market, Resolution
from tests.trading import world
from tests.trading.world import CREDIT, buy, cancel, run, sell
from trading import actions
from trading.api import own_data
from trading.engine.types import OrderOptions, Tif
from trading.models import MailState, Notification, NotificationKind, NotificationPreference
from trading.notifications import notify
from trading.notifications.mails import send_due
from trading.notifications.sentences import describe
from trading.readmodels import projections
from trading.settlement.payments import settle_market

CR = "\N{NO-BREAK SPACE}cr"

pytestmark = pytest.mark.django_db


def titles_of(account):
    """Titles of an account's notifications, oldest first."""
    rows = Notification.objects.filter(user=account.owner_id).order_by("id")
    return [describe(row).title for row in rows.select_related("market")]


def choose(account, kind, *, on_site=True, by_mail=False):
    NotificationPreference.objects.create(
        user_id=account.owner_id, kind=kind, on_site=on_site, by_mail=by_mail
    )


def settle(market, operator, payout_pips):
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=payout_pips, evidence_text="seen")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)


def test_makers_are_notified_of_fills_and_takers_are_not(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Sold 4 Yes at 0.60"]
    assert titles_of(alice) == []


def test_more_fills_of_one_order_are_one_notification_until_it_is_read(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    projections.project_market(market.pk)
    run(shard, buy(market, alice, 60, 100))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Sold 5 Yes at 0.60"]
    assert "5 still in the book" in describe(Notification.objects.get()).detail
    Notification.objects.update(read_at=timezone.now())
    run(shard, buy(market, alice, 60, 500))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Sold 5 Yes at 0.60", "Sold 5 Yes at 0.60"]


def test_what_is_said_to_be_in_the_book_is_there_when_it_is_read(shard, market, alice, bob):
    rested, _ = run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    projections.project_market(market.pk)
    assert "6 still in the book" in describe(Notification.objects.get()).detail
    run(shard, cancel(market, bob, rested.order.order_id))
    assert describe(Notification.objects.get()).detail == market.title
    Notification.objects.all().delete()
    rested, *_ = run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    run(shard, cancel(market, bob, rested.order.order_id))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Sold 4 Yes at 0.60"]
    assert describe(Notification.objects.get()).detail == market.title


def test_an_order_for_no_is_notified_as_it_was_entered(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000, as_no=True), buy(market, alice, 60, 1_000))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Bought 10 No at 0.40"]


def test_an_order_for_no_of_one_of_several_outcomes_is_notified_as_it_was_entered(
    shard, alice, bob
):
    market = world.make_market(outcomes=3)
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1_000, outcome=1, as_no=True))
    run(shard, buy(market, alice, 60, 1_000, outcome=1))
    projections.project_market(market.pk)
    assert titles_of(bob) == ["Bought 10 No on Outcome 1 at 0.40"]


def test_projecting_twice_and_rebuilding_notify_no_one_again(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    projections.project_market(market.pk)
    projections.project_market(market.pk)
    projections.rebuild_market(market.pk)
    assert titles_of(bob) == ["Sold 4 Yes at 0.60"]


def test_an_order_that_expires_is_notified(shard, market, alice, monkeypatch):
    soon = now_us() + 1_000_000
    order = buy(market, alice, 40, 500, tif=Tif.GTD, options=OrderOptions(expires_at_us=soon))
    run(shard, order)
    world.set_clock(monkeypatch, lambda: soon + 1)
    actions.do_pass_time(market.pk)
    projections.project_market(market.pk)
    assert titles_of(alice) == ["Your order to buy 5 Yes at 0.40 expired"]


def test_programs_of_the_exchange_are_not_notified(shard, market, alice, bob):
    Account.objects.filter(pk=bob.pk).update(kind="system")
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    projections.project_market(market.pk)
    assert not Notification.objects.exists()


def test_holders_are_notified_once_that_trading_ends_soon(shard, market, alice, bob):
    carol = world.make_account(name="carol")
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 400))
    Market.objects.filter(pk=market.pk).update(close_at=timezone.now() + timedelta(hours=3))
    for _ in range(3):
        notify.notify_due()
    [title] = titles_of(alice)
    assert title.startswith("Trading ends soon: ")
    assert len(titles_of(bob)) == 1
    assert titles_of(carol) == []


def test_a_result_notifies_each_holder_of_payout_and_profit(shard, market, alice, bob, operator):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    settle(market, operator, [10_000, 0])
    for _ in range(3):
        notify.notify_due()
    assert titles_of(alice) == [f"Resolved: you were paid 10.00{CR}, profit +4.00{CR}"]
    assert titles_of(bob) == [f"Resolved: nothing was paid to you, profit \N{MINUS SIGN}4.00{CR}"]


def test_holders_are_notified_in_steps_that_may_stop_anywhere(
    shard, market, alice, bob, operator, monkeypatch
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    settle(market, operator, [5_000, 5_000])
    monkeypatch.setattr(notify, "MARGINS_A_STEP", 1)
    monkeypatch.setattr(notify, "SECONDS_MAX", -1.0)
    counts = []
    for _ in range(4):
        notify.notify_due()
        counts.append(Notification.objects.count())
    assert counts == [1, 2, 2, 2]


def test_a_void_says_what_came_back(shard, market, alice, bob, operator):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    actions.do_void_market(market, by=operator, reason="the question was unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    notify.notify_due()
    assert titles_of(alice) == [f"Voided: every trade was undone, you got 6.00{CR} back"]


def test_a_void_says_what_was_taken_back_and_no_amount_where_there_is_none(
    shard, market, alice, bob, operator
):
    run(shard, sell(market, bob, 50, 100), buy(market, alice, 50, 100))
    run(shard, buy(market, bob, 60, 100), sell(market, alice, 60, 100))  # alice gained 0.10
    actions.do_void_market(market, by=operator, reason="the question was unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    notify.notify_due()
    assert titles_of(alice) == [
        "Voided: every trade was undone, 0.10\N{NO-BREAK SPACE}cr was taken back"
    ]
    assert titles_of(bob) == [
        "Voided: every trade was undone, you got 0.10\N{NO-BREAK SPACE}cr back"
    ]
    row = Notification.objects.get(user=alice.owner_id)
    row.facts |= {"payout_micros": 0}
    assert describe(row).title == "Voided: every trade was undone"


def test_what_operators_say_of_a_proposal_reaches_its_proposer_once(shard, operator, alice):
    draft = world.make_market()
    Market.objects.filter(pk=draft.pk).update(
        creator=alice.owner_id, approved_at=None, approved_by=None
    )
    draft.refresh_from_db()
    do_propose_market(draft, by=alice.owner)
    do_reject_market(draft, by=operator, reason="Say which airport.")
    for _ in range(2):
        notify.notify_due()
    assert titles_of(alice) == ["Your market needs changes"]
    assert "Say which airport." in describe(Notification.objects.get()).detail
    do_propose_market(draft, by=alice.owner)
    do_approve_market(draft, by=operator)
    notify.notify_due()
    assert titles_of(alice) == ["Your market needs changes", "Your market was approved"]


def test_holders_are_notified_of_a_proposed_result_while_they_may_dispute_it_and_of_the_next_one(
    shard, market, alice, bob, operator
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    actions.do_close_market(market, by=operator)
    say = {"by": operator, "evidence_text": "seen"}
    actions.do_resolve_market(market, payout_pips=[10_000, 0], **say)
    for _ in range(2):
        notify.notify_due()
    assert titles_of(alice) == titles_of(bob) == ["Result proposed: Yes"]
    row = Notification.objects.filter(user=alice.owner_id).get()
    assert "You can dispute it until " in describe(row).detail
    actions.do_withdraw_result(market, by=operator, reason="too early")
    notify.notify_due()
    actions.do_resolve_market(market, payout_pips=[5_000, 5_000], **say)
    for _ in range(2):
        notify.notify_due()
    assert titles_of(bob)[1:] == ["Result proposed: Yes 0.50, No 0.50"]


def test_a_result_that_is_final_or_withdrawn_at_once_is_not_notified(
    shard, market, alice, bob, operator, monkeypatch
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    waiting = notify._find_proposed()
    actions.do_withdraw_result(market, by=operator, reason="too early")
    assert not notify._notify_next_holders(
        *waiting[0]
    )  # it was withdrawn between the look and the step
    Market.objects.filter(pk=market.pk).update(dispute_seconds=0)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    notify.notify_due()
    assert titles_of(alice) == []


def test_only_operators_are_notified_of_pending_tasks(
    shard, market, alice, bob, operator, colleague
):
    """By permission; not the person who did it, nor suspended operators."""
    managers, resolvers = world.make_user("mona", staff=True), world.make_user("rosa", staff=True)
    for user, role in ((managers, "operator"), (resolvers, "resolver")):
        User.objects.filter(pk=user.pk).update(is_superuser=False)
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=colleague.pk).update(suspended_at=timezone.now())
    draft = world.make_market()
    Market.objects.filter(pk=draft.pk).update(
        creator=alice.owner, approved_at=None, approved_by=None
    )
    draft.refresh_from_db()
    do_propose_market(draft, by=alice.owner)
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    actions.do_dispute_result(market, by=bob.owner, text="It was no.")
    for _ in range(2):
        notify.notify_due()
    rows = Notification.objects.exclude(kind="result").values_list("user__handle", "kind")
    assert sorted(rows) == [
        ("mona", "proposal"), ("opera", "dispute"), ("opera", "proposal"), ("rosa", "dispute"),
    ]  # fmt: skip
    row = Notification.objects.get(user=resolvers)
    assert describe(row).title == "A result is disputed"
    assert describe(row).detail == f"{market.title} · by bob"


def dispute(market, operator, account):
    """A proposed result of the market, which the account has disputed."""
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    actions.do_dispute_result(market, by=account.owner, text="It was no.")


@pytest.mark.parametrize(
    ("uphold", "title"),
    [
        (True, "Your dispute was upheld: the result is withdrawn"),
        (False, "Your dispute was dismissed: the result stands"),
    ],
)
def test_disputers_are_notified_once_of_the_decision_and_its_reason(
    shard, market, alice, bob, operator, uphold, title
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    choose(bob, NotificationKind.VERDICT, by_mail=True)
    dispute(market, operator, bob)
    actions.do_decide_dispute(
        market, by=operator, raised_by="bob", uphold=uphold, note="The record is clear."
    )
    for _ in range(2):
        notify.notify_due()
        send_due()
    row = Notification.objects.get(kind="verdict")
    assert (row.user, row.read_at) == (bob.owner, None)
    assert describe(row) == (
        title, f"{market.title} · The record is clear.", f"/markets/{market.slug}/",
    )  # fmt: skip
    [message] = mail.outbox
    assert (message.to, message.subject) == (["bob@example.com"], f"predex: {title}")


def test_disputers_are_notified_when_a_result_is_withdrawn_undecided(
    shard, market, alice, bob, operator
):
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    dispute(market, operator, bob)
    actions.do_withdraw_result(market, by=operator, reason="bob is right")
    notify.notify_due()
    row = Notification.objects.get(kind="verdict")
    assert describe(row).title == "The result that you disputed was withdrawn"
    assert describe(row).detail.endswith("bob is right")


def test_grants_and_decisions_are_notified_with_their_reason(alice, bob, operator):
    choose(alice, NotificationKind.MONEY, by_mail=True)
    do_grant(alice, amount_micros=25 * CREDIT, by=operator, reason="A new season")
    do_deposit(alice, amount_micros=2 * CREDIT, by=operator)
    for approve in (True, False):
        asked = do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
        do_decide_withdrawal(asked, approve=approve, by=operator, reason="")
    for approve in (True, False):
        request = do_request_deposit(alice, amount_micros=3 * CREDIT, by=alice.owner)
        do_decide_deposit(request, approve=approve, by=operator, reason="Not seen")
    assert [title.replace(CR, " cr") for title in titles_of(alice)] == [
        "You were granted 25.00 cr",
        "A deposit of 2.00 cr was credited to you",
        "Your withdrawal of 1.00 cr was approved",
        "Your withdrawal of 1.00 cr was declined",
        "A deposit of 3.00 cr was credited to you",
        "Your request for a deposit of 3.00 cr was declined",
    ]
    assert titles_of(bob) == []
    row = Notification.objects.order_by("id")[0]
    assert describe(row)[1:] == ("A new season", "/portfolio/transfers/")
    send_due()
    assert "A new season" in mail.outbox[0].body
    client = Client()
    client.force_login(alice.owner, backend="accounts.backends.Backend")
    assert "A new season" in client.get("/notifications/").content.decode()


def test_a_proposal_that_was_opened_at_once_is_said_to_be_open(shard, operator, alice):
    draft = world.make_market()
    Market.objects.filter(pk=draft.pk).update(
        creator=alice.owner, approved_at=None, approved_by=None
    )
    draft.refresh_from_db()
    do_propose_market(draft, by=alice.owner)
    actions.do_approve_and_open_market(draft, by=operator)
    notify.notify_due()
    assert titles_of(alice) == ["Your market was approved and opened"]


def test_who_wants_none_gets_none_and_who_wants_mail_gets_one(shard, market, alice, bob):
    choose(bob, NotificationKind.FILL, on_site=False, by_mail=True)
    carol = world.make_account(name="carol")
    choose(carol, NotificationKind.FILL, on_site=False)
    run(shard, sell(market, bob, 60, 100), sell(market, carol, 61, 100))
    run(shard, buy(market, alice, 61, 200))
    projections.project_market(market.pk)
    assert titles_of(carol) == []
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
    projections.project_market(market.pk)

    def refuse(*arguments, **options):
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.message.EmailMessage.send", refuse)
        send_due()
    assert mail.outbox == []
    send_due()
    assert len(mail.outbox) == 1


def test_only_operators_choose_notifications_for_operators(alice, operator):
    def offered(user):
        client = Client()
        client.force_login(user, backend="accounts.backends.Backend")
        return client.get("/account/notifications/").content.decode()

    assert "For operators: a result is disputed" in offered(operator)
    assert "For operators" not in offered(alice.owner)


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
    NotificationPreference.objects.create(user_id=alice.owner_id, kind="fill", by_mail=True)
    [shown] = own_data.list_notifications(alice.owner_id)
    assert shown.keys() == set(own_data.NOTIFICATION_COLUMNS)
    assert shown["title"] == describe(row).title
    own_data.forget_user(alice.owner_id)
    assert not Notification.objects.exists()
    assert not NotificationPreference.objects.exists()
