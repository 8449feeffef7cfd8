"""Operators' actions on live markets in the admin, and trading's read-only records."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import do_decide_withdrawal, do_request_withdrawal
from accounts.models import AuditEvent
from markets.models import Dispute, Market, Resolution, StatusChange
from tests.markets.factories import set_policy
from tests.trading import world
from trading.actions import (
    do_close_market,
    do_dispute_result,
    do_resolve_market,
    do_void_market,
)
from trading.models import JournalRow, Lease, Order, Position, Trade
from trading.readmodels import projections
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.one_database

ACTS = {act for pages in admin.site._registry.values() for act in pages.acts.values()}
TABLES = [model for model in admin.site._registry if model._meta.app_label == "trading"]


@pytest.fixture
def site(operator):
    return log_in(operator)


@pytest.fixture
def traded(shard, market, alice, bob):
    """Alice has bought 10 of bob at 60 and bids 40 for another 5."""
    world.run(shard, world.sell(market, bob, 60, 1_000), world.buy(market, alice, 60, 1_000))
    world.run(shard, world.buy(market, alice, 40, 500))
    return market


@pytest.fixture
def resolving(traded, operator, shard):
    """Closed, with a result that traders may dispute for an hour."""
    Market.objects.filter(pk=traded.pk).update(dispute_seconds=3_600)
    do_close_market(traded, by=operator, reason="test")
    do_resolve_market(traded, by=operator, payout_pips=[10_000, 0], evidence_text="It happened.")
    traded.refresh_from_db()
    return traded


def log_in(user):
    client = Client()
    client.force_login(user, backend="accounts.backends.Backend")
    return client


def ask(site, row, name, **values):
    """Send the form of an act; return its errors, none when it was done."""
    options = row._meta
    url = f"/admin/{options.app_label}/{options.model_name}/{row.pk}/do/{name}/"
    answer = site.post(url, values)
    row.refresh_from_db()
    return {} if answer.status_code == 302 else dict(answer.context["form"].errors)


def offered_names(site, row):
    options = row._meta
    page = site.get(f"/admin/{options.app_label}/{options.model_name}/{row.pk}/change/")
    return {one["name"] for one in page.context["offered"]}


def find(site, model, text):
    page = site.get(f"/admin/trading/{model}/", {"q": text})
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.model_name)
def test_every_table_of_trading_is_shown_and_nothing_in_it_is_edited(site, traded, model):
    url = f"/admin/trading/{model._meta.model_name}/"
    assert site.get(url).status_code == 200
    assert site.get(f"{url}add/").status_code == 403
    for row in model.objects.all()[:1]:
        assert site.get(f"{url}{row.pk}/change/").status_code == 200
        assert site.post(f"{url}{row.pk}/change/", {"status": "1"}).status_code == 403
        assert site.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_records_are_found_by_id_handle_and_market(site, traded, alice):
    resting = Order.objects.open().get()
    assert find(site, "order", resting.id.hex) == [resting]
    assert find(site, "order", str(resting.id)) == [resting]
    assert find(site, "order", traded.slug) == [resting]
    assert len(find(site, "order", alice.owner.handle)) == 2
    assert find(site, "order", "nobody") == []
    trade = Trade.objects.get()
    for text in (trade.id.hex, "alice", "bob", traded.slug):
        assert find(site, "trade", text) == [trade]
    assert len(find(site, "position", traded.slug)) == 2
    assert find(site, "position", "bob") == list(
        Position.objects.filter(account__owner__handle="bob")
    )
    assert len(find(site, "journalrow", traded.slug)) == JournalRow.objects.count()


def test_lists_count_no_further_than_people_page(site, traded):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        site.get("/admin/trading/order/")
        site.get("/admin/trading/trade/", {"q": "alice"})
    counting = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counting
    assert all("LIMIT" in sql for sql in counting)


def test_records_lead_to_one_another(site, traded, alice):
    """From an order to its trade, from there to the accounts, their transfers and the journal."""

    def follow(url, title):
        page = site.get(url)
        assert page.status_code == 200
        link = next(link for link in page.context["links"] if str(link.title) == title)
        listed = site.get(link.url)
        assert listed.status_code == 200
        return list(listed.context["cl"].result_list) if "cl" in listed.context else link.url

    filled = Order.objects.exclude(filled_lots=0).first()
    [trade] = follow(f"/admin/trading/order/{filled.pk}/change/", "Trades of this order")
    page = f"/admin/trading/trade/{trade.pk}/change/"
    [row] = follow(page, "Journal row")
    assert row.seq_first <= trade.seq <= row.seq_last
    assert follow(page, "Transfers of alice/1")
    account = follow(page, "Taker")
    assert follow(account, "Transfers")
    market = follow(page, "Market")
    assert list(follow(market, "Journal")) == list(JournalRow.objects.order_by("-seq_first"))
    assert follow(market, "Trades") == [trade]


def test_a_suspended_user_has_no_orders_left_and_the_audit_log_says_how_many_there_were(
    site, traded, alice, operator, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert ask(site, alice.owner, "suspend", reason="Fraud") == {}
    assert alice.owner.is_suspended
    assert not Order.objects.open().exists()
    [event] = AuditEvent.objects.filter(action="cancel_orders")
    assert (event.actor, event.after, event.reason) == (operator, {"cancelled": 1}, "Fraud")


def test_a_journal_row_shows_its_commands(site, traded):
    row = JournalRow.objects.order_by("-pk").first()
    page = site.get(f"/admin/trading/journalrow/{row.pk}/change/").content.decode()
    assert "Place(" in page
    assert bytes(row.hash).hex() in page


def test_leases_show_who_owns_which_shard(site, traded):
    assert Lease.objects.get().owner in site.get("/admin/trading/lease/").content.decode()


def test_markets_are_opened_halted_resumed_and_closed_with_a_reason(site, draft, operator):
    assert ask(site, draft, "open") == {}
    assert ask(site, draft, "halt") == {"reason": ["This field is required."]}
    assert ask(site, draft, "halt", reason="Odd prices") == {}
    refusal = "The market's status no longer allows this."
    assert ask(site, draft, "halt", reason="Again") == {"__all__": [refusal]}
    assert ask(site, draft, "resume") == {}
    assert ask(site, draft, "close", reason="Known now") == {}
    assert draft.status == "closed"
    changes = StatusChange.objects.filter(market=draft, by=operator).order_by("id")
    assert [change.to_status for change in changes][-4:] == ["open", "halted", "open", "closed"]
    assert [change.reason for change in changes][-3:] == ["Odd prices", "", "Known now"]
    assert AuditEvent.objects.filter(actor=operator, reason="Odd prices").exists()


def test_a_market_s_page_offers_what_its_status_allows(site, traded, operator):
    def offered():
        page = site.get(f"/admin/markets/market/{traded.pk}/change/")
        return {one["name"] for one in page.context["offered"]}

    always = {"feature", "clarify", "clone", "set-resolver", "set-panel"}
    assert offered() == {*always, "halt", "close", "close-time", "void"}
    ask(site, traded, "halt", reason="Test")
    assert offered() == {*always, "resume", "clear", "close", "close-time", "tick", "void"}
    ask(site, traded, "close", reason="Test")
    assert offered() == {*always, "resolve", "void"}
    url = f"/admin/markets/market/{traded.pk}/do/resolve/"
    assert "Yes pays" in site.get(url).content.decode()
    assert site.get(f"/admin/markets/market/{traded.pk}/do/nothing/").status_code == 404


def test_a_result_is_proposed_and_what_is_refused_is_said(site, traded, operator):
    sent = {"payout_0": "1", "payout_1": "0", "evidence_text": "It happened."}
    assert ask(site, traded, "resolve", **sent) == {
        "__all__": ["Only a closed market can have a result, and this one is not closed."]
    }
    ask(site, traded, "close", reason="Test")
    wrong = ask(site, traded, "resolve", **{**sent, "payout_1": "0.5"})
    assert wrong == {"__all__": ["Together the outcomes pay exactly 1."]}
    both = ask(site, traded, "resolve", **sent, winners=["0"])
    neither = ask(site, traded, "resolve", evidence_text="It happened.")
    assert list(both) == list(neither) == ["__all__"]
    assert ask(site, traded, "resolve", **sent) == {}
    result = Resolution.objects.get(market=traded)
    assert (result.payout_pips, result.proposed_by, traded.status) == (
        [10_000, 0],
        operator,
        "resolving",
    )


@pytest.mark.parametrize(
    ("winners", "payout_pips"),
    [(["0"], [10_000, 0]), (["1"], [0, 10_000]), (["0", "1"], [5_000] * 2)],
)
def test_a_result_is_proposed_by_ticking_what_happened(site, traded, winners, payout_pips):
    ask(site, traded, "close", reason="Test")
    sent = {"winners": winners, "evidence_url": "https://example.org/it-did"}
    assert ask(site, traded, "resolve", **sent) == {}
    assert Resolution.objects.get(market=traded).payout_pips == payout_pips


def test_voiding_says_what_the_house_would_pay_and_wants_it_confirmed(
    site, market, shard, alice, bob, operator
):
    carol = world.make_account()  # alice's gain of 2 is gone
    world.run(shard, world.sell(market, bob, 40, 1_000), world.buy(market, alice, 40, 1_000))
    world.run(shard, world.buy(market, carol, 60, 1_000), world.sell(market, alice, 60, 1_000))
    alice.refresh_from_db()
    request = do_request_withdrawal(alice, amount_micros=alice.cash_micros, by=alice.owner)
    do_decide_withdrawal(request, approve=True, by=operator)
    page = site.get(f"/admin/markets/market/{market.pk}/do/void/").content.decode()
    assert "2.000000" in page
    wrong = ask(site, market, "void", house_cover="1.99", reason="Ambiguous")
    assert list(wrong) == ["house_cover"]
    assert ask(site, market, "void", house_cover="2", reason="Ambiguous") == {}
    assert market.status == "resolving"


def test_a_void_asks_for_the_amount_as_soon_as_the_house_would_pay_one(site, market, monkeypatch):
    page = f"/admin/markets/market/{market.pk}/do/void/"
    amounts = iter([0, 2_000_000, 2_000_000])  # it grows between the page and what is done
    for module in ("trading.admin.acts", "trading.settlement.payments"):
        monkeypatch.setattr(f"{module}.compute_house_cover_micros", lambda _market: next(amounts))
    assert site.post(page, {"reason": "Ambiguous"}).status_code == 422
    assert "house_cover" in site.get(page).context["form"].fields


def test_open_interest_is_none_after_a_void(site, traded, operator):
    projections.project_market(traded.pk)
    table = "/admin/trading/outcomestats/"
    shown = site.get(table).content.decode()
    assert re.search(r"field-open_interest[^>]*>\s*10\s*<", shown)
    do_void_market(traded, by=operator, reason="unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(traded.pk)
    assert re.search(r"field-open_interest[^>]*>\s*0\s*<", site.get(table).content.decode())


def test_a_market_is_voided_with_a_reason_and_no_amount_where_the_house_pays_nothing(site, traded):
    form = site.get(f"/admin/markets/market/{traded.pk}/do/void/").context["form"]
    assert list(form.fields) == ["reason"]
    assert ask(site, traded, "void") == {"reason": ["This field is required."]}
    assert ask(site, traded, "void", reason="Ambiguous") == {}
    assert Resolution.objects.get(market=traded).payout_pips is None
    assert AuditEvent.objects.get(action="void_market").reason == "Ambiguous"


@pytest.mark.parametrize("act", sorted(ACTS, key=lambda act: (act.__module__, act.__name__)))
def test_what_was_done_is_said_in_a_sentence(act):
    assert re.fullmatch(r"[A-Z].* .*\.", str(act.done))


def test_close_time_and_tick_of_a_live_market_are_changed(site, market):
    moved = ask(site, market, "close-time", close_at="2099-01-01T12:00", reason="Postponed")
    assert moved == {}
    assert market.close_at.isoformat() == "2099-01-01T12:00:00+00:00"
    ask(site, market, "halt", reason="Test")
    assert list(ask(site, market, "tick", tick_pips="30", reason="x")) == ["tick_pips"]
    assert ask(site, market, "tick", tick_pips="10", reason="Finer") == {}
    assert market.tick_pips == 10


def test_a_result_is_approved_by_a_second_operator_and_withdrawn(site, resolving, colleague):
    [result] = Resolution.objects.all()
    assert "approve-result" not in offered_names(site, resolving)
    set_policy(two_person_rule=True)
    assert "approve-result" in offered_names(site, resolving)
    refusal = "The two-person rule requires a different person for this step."
    assert ask(site, result, "approve") == {"__all__": [refusal]}
    assert ask(site, resolving, "approve-result") == {"__all__": [refusal]}
    assert ask(log_in(colleague), result, "approve") == {}
    assert ask(site, resolving, "withdraw-result", reason="Too early") == {}
    result.refresh_from_db()
    assert (result.approved_by, result.withdrawn_reason) == (colleague, "Too early")
    assert ask(site, result, "approve") == {"__all__": ["No result has been proposed yet."]}


def test_a_lone_operator_pays_now_with_a_reason(site, resolving):
    [result] = Resolution.objects.all()
    for row, name in ((resolving, "pay-result"), (result, "pay")):
        assert name in offered_names(site, row)
        assert list(ask(site, row, name)) == ["reason"]
    assert ask(site, resolving, "pay-result", reason="Everybody saw it.") == {}
    assert "pay-result" not in offered_names(site, resolving)
    assert settle_market(resolving.pk)


def test_results_and_disputes_are_listed_in_words(site, resolving, alice):
    do_dispute_result(resolving, by=alice.owner, text="It did not.")
    for model in ("dispute", "resolution"):
        page = site.get(f"/admin/markets/{model}/").content.decode()
        assert "10000" not in page
        assert "Yes" in page
    assert str(Resolution.objects.get()) == f"{resolving.title}: Yes"
    Resolution.objects.update(payout_pips=[2_500, 7_500])
    assert str(Resolution.objects.get()).endswith(": Yes 0.25, No 0.75")


def test_of_a_result_s_evidence_nothing_is_called_optional(site, traded, operator):
    do_close_market(traded, by=operator, reason="test")
    url = f"/admin/markets/market/{traded.pk}/do/resolve/"
    assert "(optional)" not in site.get(url).content.decode()
    refused = site.post(url, {"winners": ["0"]}).context["form"].errors
    assert dict(refused) == {"evidence_text": ["Give evidence for the result, or a link to it."]}
    page = site.get(f"/markets/{traded.slug}/").content.decode()
    assert "Evidence or a link is required" in page


@pytest.mark.parametrize(("action", "status"), [("uphold", "closed"), ("dismiss", "resolving")])
def test_disputes_are_decided(site, resolving, alice, action, status):
    dispute = do_dispute_result(resolving, by=alice.owner, text="It did not.")
    assert list(ask(site, dispute, action)) == ["reason"]
    assert ask(site, dispute, action, reason="Looked again") == {}
    resolving.refresh_from_db()
    assert dispute.note == "Looked again"
    assert dispute.decision == {"uphold": Dispute.Decision.UPHELD}.get(
        action, Dispute.Decision.DISMISSED
    )
    assert resolving.status == status


def test_the_orders_of_an_account_are_cancelled(site, traded, alice):
    assert ask(site, alice, "cancel-orders", reason="Lost key") == {}
    assert not Order.objects.open().exists()
    assert AuditEvent.objects.get(action="cancel_orders").after == {"cancelled": 1}


def test_staff_without_the_right_only_look(traded):
    staff = world.make_user("looker")
    staff.is_staff = True
    staff.save()
    staff.user_permissions.add(Permission.objects.get(codename="view_market"))
    site = log_in(staff)
    for name in ("void", "halt", "feature"):
        url = f"/admin/markets/market/{traded.pk}/do/{name}/"
        assert site.get(url).status_code == 403
        assert site.post(url, {"house_cover": "0", "reason": "x"}).status_code == 403
    traded.refresh_from_db()
    assert traded.status == "open"
    assert site.get("/admin/trading/order/").status_code == 403
