"""Operators act on live markets in the admin, and look at what trading wrote, read-only."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent
from markets.models import Dispute, Market, Resolution, StatusChange
from tests.trading import world
from trading.actions import do_close_market, do_dispute_result, do_resolve_market
from trading.models import JournalRow, Lease, Order, Position, Trade

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
    """Closed, with a result that anybody who traded may dispute for an hour."""
    Market.objects.filter(pk=traded.pk).update(dispute_seconds=3_600)
    do_close_market(traded, by=operator, reason="test")
    do_resolve_market(traded, by=operator, payout_pips=[10_000, 0], evidence_text="It happened.")
    traded.refresh_from_db()
    return traded


def log_in(user):
    client = Client()
    client.force_login(user, backend="accounts.backends.Backend")
    return client


def act(site, action, *rows, note=""):
    """Choose rows and a button; return what the page says afterwards."""
    options = rows[0]._meta
    url = f"/admin/{options.app_label}/{options.model_name}/"
    sent = {"action": action, "_selected_action": [row.pk for row in rows], "note": note}
    return [str(message) for message in site.post(url, sent, follow=True).context["messages"]]


def ask(site, market, name, **values):
    """Send a form about a market; return its errors, none when it was done."""
    answer = site.post(f"/admin/markets/market/{market.pk}/do/{name}/", values)
    market.refresh_from_db()
    return {} if answer.status_code == 302 else dict(answer.context["form"].errors)


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


def test_a_journal_row_shows_its_commands(site, traded):
    row = JournalRow.objects.order_by("-pk").first()
    page = site.get(f"/admin/trading/journalrow/{row.pk}/change/").content.decode()
    assert "Place(" in page
    assert bytes(row.hash).hex() in page


def test_leases_show_who_owns_which_shard(site, traded):
    assert Lease.objects.get().owner in site.get("/admin/trading/lease/").content.decode()


def test_markets_are_opened_halted_resumed_and_closed_with_a_reason(site, draft, operator):
    assert act(site, "open_now", draft) == ["1 opened"]
    assert act(site, "halt", draft, note="Odd prices") == ["1 halted"]
    assert act(site, "halt", draft) == [f"{draft}: a market that is halted can't become halted"]
    assert act(site, "resume", draft) == ["1 resumed"]
    assert act(site, "close", draft, note="Known now") == ["1 closed"]
    draft.refresh_from_db()
    assert draft.status == "closed"
    changes = StatusChange.objects.filter(market=draft, by=operator).order_by("id")
    assert [change.to_status for change in changes][-4:] == ["open", "halted", "open", "closed"]
    assert [change.reason for change in changes][-3:] == ["Odd prices", "", "Known now"]
    assert AuditEvent.objects.filter(actor=operator, reason="Odd prices").exists()


def test_a_market_s_page_offers_what_its_status_allows(site, traded, operator):
    def offered():
        page = site.get(f"/admin/markets/market/{traded.pk}/change/")
        return set(page.context["offered"])

    assert offered() == {"Void", "Move the close time"}
    act(site, "halt", traded)
    assert offered() == {"Void", "Move the close time", "Refine the tick"}
    act(site, "close", traded)
    assert offered() == {"Void", "Propose a result"}
    url = f"/admin/markets/market/{traded.pk}/do/resolve/"
    assert "Yes (YES) pays" in site.get(url).content.decode()
    assert site.get(f"/admin/markets/market/{traded.pk}/do/nothing/").status_code == 404


def test_a_result_is_proposed_and_what_is_refused_is_said(site, traded, operator):
    sent = {"payout_0": "1", "payout_1": "0", "evidence_text": "It happened."}
    assert ask(site, traded, "resolve", **sent) == {
        "__all__": ["only a closed market has a result"]
    }
    act(site, "close", traded)
    wrong = ask(site, traded, "resolve", **{**sent, "payout_1": "0.5"})
    assert wrong == {"__all__": ["the payouts must add up to exactly 1 credit"]}
    assert ask(site, traded, "resolve", **sent) == {}
    result = Resolution.objects.get(market=traded)
    assert (result.payout_pips, result.proposed_by, traded.status) == (
        [10_000, 0],
        operator,
        "resolving",
    )


def test_a_market_is_voided_with_a_reason(site, traded):
    assert ask(site, traded, "void", house_cover="0") == {"reason": ["This field is required."]}
    assert ask(site, traded, "void", house_cover="0", reason="Ambiguous") == {}
    assert Resolution.objects.get(market=traded).payout_pips is None
    assert AuditEvent.objects.get(action="void_market").reason == "Ambiguous"


def test_close_time_and_tick_of_a_live_market_are_changed(site, market):
    moved = ask(site, market, "close-time", close_at="2099-01-01 12:00", reason="Postponed")
    assert moved == {}
    assert market.close_at.isoformat() == "2099-01-01T12:00:00+00:00"
    act(site, "halt", market)
    assert list(ask(site, market, "tick", tick_pips="30", reason="x")) == ["tick_pips"]
    assert ask(site, market, "tick", tick_pips="10", reason="Finer") == {}
    assert market.tick_pips == 10


def test_a_result_is_approved_by_a_second_operator_and_withdrawn(site, resolving, colleague):
    [result] = Resolution.objects.all()
    refusal = "the two-person rule asks for another person here"
    assert act(site, "approve", result) == [f"{result}: {refusal}"]
    assert act(log_in(colleague), "approve", result) == ["1 approved"]
    assert act(site, "withdraw", result, note="Too early") == ["1 withdrawn"]
    result.refresh_from_db()
    assert (result.approved_by, result.withdrawn_reason) == (colleague, "Too early")
    assert act(site, "approve", result) == [f"{result}: this result was withdrawn"]


@pytest.mark.parametrize(("action", "status"), [("uphold", "closed"), ("dismiss", "resolving")])
def test_disputes_are_decided(site, resolving, alice, action, status):
    dispute = do_dispute_result(resolving, by=alice.owner, text="It did not.")
    assert len(act(site, action, dispute, note="Looked again")) == 1
    dispute.refresh_from_db()
    resolving.refresh_from_db()
    assert dispute.note == "Looked again"
    assert dispute.decision == {"uphold": Dispute.Decision.UPHELD}.get(
        action, Dispute.Decision.DISMISSED
    )
    assert resolving.status == status


def test_the_orders_of_an_account_are_cancelled(site, traded, alice):
    assert act(site, "cancel_orders", alice, note="Lost key") == ["1 left without orders"]
    assert not Order.objects.open().exists()
    assert AuditEvent.objects.get(action="cancel_orders").after == {"cancelled": 1}


def test_staff_without_the_right_only_look(traded):
    staff = world.make_user("looker")
    staff.is_staff = True
    staff.save()
    staff.user_permissions.add(Permission.objects.get(codename="view_market"))
    site = log_in(staff)
    url = f"/admin/markets/market/{traded.pk}/do/void/"
    assert site.get(url).status_code == 200
    refusal = "this needs an operator with that right"
    assert ask(site, traded, "void", house_cover="0", reason="x") == {"__all__": [refusal]}
    act(site, "halt", traded)
    traded.refresh_from_db()
    assert traded.status == "open"
    assert site.get("/admin/trading/order/").status_code == 403
