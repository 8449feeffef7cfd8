"""Bonds and corrections as the API, the admin, the pages and the notifications show them."""

import pytest
from django.test import Client

from accounts.models import Account, Transfer
from markets.models import Correction, Market, StatusChange
from tests.lifecycle.results import cash, end_window, set_policy
from tests.lifecycle.test_admin import ask, log_in, offered_names
from tests.lifecycle.test_api import Caller
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.models import Notification
from trading.notifications import mails, notify
from trading.notifications.sentences import NotificationText, describe
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

YES, NO = [10_000, 0], [0, 10_000]


@pytest.fixture
def proposed(shard, market, alice, bob, operator):
    """Alice bought 10 YES of Bob at 60 cents; YES is proposed; a dispute costs 25 credits."""
    set_policy(two_person_rule=False)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    Market.objects.filter(pk=market.pk).update(
        dispute_seconds=3_600, dispute_bond_micros=25 * CREDIT
    )
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=YES, evidence_text="seen")
    market.refresh_from_db()
    return market


@pytest.fixture
def settled(proposed):
    end_window(proposed)
    assert settle_market(proposed.pk)
    notify.notify_due()
    Notification.objects.all().delete()
    proposed.refresh_from_db()
    return proposed


def page(account, market):
    client = Client()
    client.force_login(account.owner, backend="accounts.backends.Backend")
    return plain(client.get(f"/markets/{market.slug}/").content.decode())


def plain(text):
    """Without the name of the currency."""
    return text.replace("\xa0cr", "").replace("&nbsp;cr", "")


def news_of(account):
    rows = Notification.objects.filter(user=account.owner_id).order_by("id")
    return [NotificationText(*map(plain, describe(row))) for row in rows]


# --- bonds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uphold", "fate", "said"),
    [
        (True, "returned", "You got your bond of 25.00 back"),
        (False, "lost", "Your bond of 25.00 is lost"),
    ],
)
def test_a_bond_is_shown_to_its_owner_and_in_the_api(
    proposed, bob, operator, colleague, uphold, fate, said
):
    assert "A dispute costs a bond of" in page(bob, proposed)
    visitor, slug = Caller(bob.owner), proposed.slug
    assert visitor.get(f"markets/{slug}")[1]["dispute_bond"] == "25.000000"
    body, key = {"text": "It did not."}, {"Idempotency-Key": "once"}
    first = visitor.post(f"markets/{slug}/dispute", body, **key)
    assert visitor.post(f"markets/{slug}/dispute", body, **key) == first
    assert (first[1]["disputes"][0]["bond"], first[1]["disputes"][0]["bond_fate"]) == (
        "25.000000", "held")  # fmt: skip
    assert "is held until then" in page(bob, proposed)
    verdict = {"decision": "upheld" if uphold else "dismissed", "note": "Looked again."}
    code, shown = Caller(colleague).post(f"markets/{slug}/disputes/bob", verdict)
    assert (code, shown["disputes"][0]["bond_fate"]) == (200, fate)
    _, moved = visitor.get("ledger")
    assert [row["kind"] for row in moved["results"]][:2] == (
        ["bond_return", "bond"] if uphold else ["bond", "trade"]
    )
    notify.notify_due()
    [verdict] = [news for news in news_of(bob) if "dispute" in news.title]
    assert said in verdict.detail


def test_who_has_too_little_for_the_bond_is_refused_with_what_is_missing(proposed, bob):
    Market.objects.filter(pk=proposed.pk).update(dispute_bond_micros=10_000 * CREDIT)
    code, body = Caller(bob.owner).post(f"markets/{proposed.slug}/dispute", {"text": "No."})
    assert (code, body["code"]) == (422, "bond_not_covered")
    assert body["message"] == "a dispute costs a bond of 10000.000000: 4.000000 more is needed"
    client = Client()
    client.force_login(bob.owner, backend="accounts.backends.Backend")
    answer = client.post(f"/markets/{proposed.slug}/dispute/", {"text": "No."})
    assert answer.status_code == 422
    assert "You have less available than the bond" in answer.content.decode()


# --- corrections ------------------------------------------------------------------------------


def test_a_correction_is_proposed_covered_and_carried_out_over_the_api(
    settled, alice, bob, operator, colleague
):
    set_policy(two_person_rule=True)
    site, path = Caller(operator), f"markets/{settled.slug}/correction"
    assert site.get(path)[0] == 404
    body = {"yes": "0", "evidence_text": "It did not."}
    assert Caller(alice.owner).post(path, body)[1]["code"] == "not_an_operator"
    code, shown = site.post(path, body)
    assert (code, shown["state"], shown["number"]) == (200, "proposed", 2)
    assert (shown["before"], shown["payout"]) == (["1.0000", "0.0000"], ["0.0000", "1.0000"])
    assert site.post(f"{path}/approve")[1]["code"] == "second_person_needed"
    assert Caller(colleague).post(f"{path}/approve")[1]["state"] == "holding"
    Account.objects.filter(pk=alice.pk).update(withdrawing_micros=cash(alice) - 4 * CREDIT)
    assert correct_market(settled.pk)
    _, shown = site.get(path)
    assert (shown["state"], shown["lacking"]) == ("waiting", "6.000000")
    assert shown["debtors"] == [
        {"handle": "alice", "account": 1, "owed": "10.000000", "lacking": "6.000000"}
    ]
    assert Caller(bob.owner).get(path)[1]["debtors"] == []
    code, refused = site.post(f"{path}/cover", {"house_cover": "5"})
    assert (code, refused["code"]) == (409, "debtors_lack")
    assert refused["message"].startswith("debtors lack 6.000000:")
    assert site.post(f"{path}/cover", {"house_cover": "6"})[0] == 200
    assert correct_market(settled.pk)
    _, shown = site.get(path)
    assert (shown["state"], shown["house_cover"]) == ("done", "6.000000")
    assert site.get(f"markets/{settled.slug}")[1]["outcomes"][1]["payout"] == "1.0000"


def test_a_correction_is_made_in_the_admin_and_offered_where_it_is_possible(
    settled, alice, operator, colleague
):
    set_policy(two_person_rule=True)
    site, second = log_in(operator), log_in(colleague)
    assert "correct" in offered_names(site, settled)
    both = {"winners": ["1"], "void": "on", "evidence_text": "x"}
    assert "__all__" in ask(site, settled, "correct", **both)
    assert not ask(site, settled, "correct", winners=["1"], evidence_text="It did not.")
    assert offered_names(site, settled).isdisjoint({"correct", "cover-correction"})
    assert "__all__" in ask(site, settled, "approve-correction")
    assert not ask(second, settled, "approve-correction")
    Account.objects.filter(pk=alice.pk).update(withdrawing_micros=cash(alice))
    assert correct_market(settled.pk)
    form = site.get(f"/admin/markets/market/{settled.pk}/do/cover-correction/").content.decode()
    assert "owes 10.000000, lacks 10.000000" in plain(form)
    assert "house_cover" in ask(site, settled, "cover-correction", house_cover="9", reason="x")
    assert not ask(site, settled, "withdraw-correction", reason="Ask her first.")
    assert correct_market(settled.pk)
    assert not ask(site, settled, "correct", void="on", evidence_text="Nobody knows.")
    correction = Correction.objects.get(number=3)
    assert correction.payout_pips is None
    row = site.get(f"/admin/markets/correction/{correction.pk}/change/")
    assert "Needs a second person" in row.content.decode()
    assert site.get("/admin/trading/settlement/").status_code == 200
    assert site.get("/admin/").status_code == 200


def test_those_concerned_hear_of_a_correction_and_see_it_on_the_page(
    settled, alice, bob, operator, mailoutbox
):
    actions.do_correct_result(settled, by=operator, payout_pips=NO, evidence_text="It did not.")
    assert "Operators are correcting this result to: No." in page(alice, settled)
    for _ in range(2):
        correct_market(settled.pk, until=0)
    assert "10.00 of yours is held for it" in page(alice, settled)
    assert correct_market(settled.pk)
    notify.notify_due()
    notify.notify_due()
    [taken], [paid] = news_of(alice), news_of(bob)
    assert taken.title == "The result was corrected: 10.00 was taken back"
    assert paid.title == "The result was corrected: you got 10.00"
    assert paid.detail == f"{settled.title} · No"
    rows = Notification.objects.filter(user=bob.owner_id)
    assert paid.title in plain(mails.build_mail("bob@example.com", list(rows)).body)
    settled.refresh_from_db()
    text = page(alice, settled)
    assert "This result was corrected; paid before: Yes." in text
    assert "10.00 was taken back from you." in text
    assert "You got 10.00 more." in page(bob, settled)
    last = StatusChange.objects.filter(market=settled).order_by("-id").first()
    assert (last.from_status, last.to_status, last.reason) == ("settled", "settled", "It did not.")
    client = Client()
    client.force_login(alice.owner, backend="accounts.backends.Backend")
    assert "Result corrected: taken back" in client.get("/portfolio/transfers/").content.decode()


def test_operators_hear_of_a_correction_that_waits(settled, alice, operator, colleague):
    set_policy(two_person_rule=True)
    actions.do_correct_result(settled, by=operator, payout_pips=NO, evidence_text="x")
    notify.notify_due()
    rows = Notification.objects.filter(kind="correcting")
    assert [(row.user, describe(row).title) for row in rows] == [
        (colleague, "The correction of a result needs a second person")
    ]
    actions.do_approve_correction(settled, by=colleague)
    Account.objects.filter(pk=alice.pk).update(withdrawing_micros=cash(alice))
    assert correct_market(settled.pk)
    notify.notify_due()
    notify.notify_due()
    title = "The correction of a result waits: debtors lack funds"
    assert [describe(row).title for row in rows.order_by("id")][1:] == [title, title]


def test_the_house_and_the_ledger_name_a_correction(settled, alice, bob, operator):
    actions.do_correct_result(settled, by=operator, payout_pips=None, evidence_text="x")
    assert correct_market(settled.pk)
    assert set(Transfer.objects.filter(reference=Correction.objects.get().pk).values_list(
        "kind", "amount_micros")) == {("correction", 4 * CREDIT)}  # fmt: skip
    _, shown = Caller(bob.owner).get("ledger?kind=correction")
    assert [row["amount"] for row in shown["results"]] == ["4.000000"]
