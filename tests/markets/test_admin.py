"""Operators manage markets in the admin, by the same actions and rules."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEvent
from markets.models import (
    Category,
    Group,
    Market,
    Outcome,
    StatusChange,
)
from markets.queries import get_exchange
from tests.markets.factories import (
    THREE_OUTCOMES,
    in_days,
    let_everyone_create,
    make_group,
    make_market,
    make_user,
    set_policy,
)

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

MODELS = [
    model._meta.model_name for model in admin.site._registry if model._meta.app_label == "markets"
]
NEW = {
    "kind": "binary",
    "slug": "",
    "title": "Will it rain?",
    "visibility": "public",
    "close_at_0": "2099-01-01",
    "close_at_1": "00:00:00",
    "dispute_seconds": "1m",
    "tick_pips": "100",
    "lot_step_lots": "1",
    "fee_kind": "none",
    "fee_maker_rate": "0",
    "fee_taker_rate": "0",
    "fee_unit_micros": "1",
}


@pytest.fixture
def site(operator):
    client = Client()
    client.force_login(operator)
    return client


def url_of(row, verb="change"):
    return f"/admin/markets/{row._meta.model_name}/{row.pk}/{verb}/"


def form_of(response):
    """What the browser would send back unchanged."""
    page = response.context["adminform"].form
    values: dict[str, str] = {}
    for bound in page:
        widget, value = bound.field.widget, bound.value()
        names = [bound.html_name]
        if hasattr(widget, "decompress"):
            names = [f"{bound.html_name}_{n}" for n in range(len(widget.widgets))]
            value = widget.decompress(value)
        parts = value if len(names) > 1 else [value]
        values |= {
            name: str(part) for name, part in zip(names, parts, strict=True) if is_sent(part)
        }
    for inline in response.context["inline_admin_formsets"]:
        formset = inline.formset
        values |= {b.html_name: str(b.value()) for b in formset.management_form}
        for form in formset.forms:
            values |= {b.html_name: str(b.value()) for b in form if is_sent(b.value())}
    return values


def act(site, name, *rows, **values):
    """Choose rows of a list and an act, and say what it asks; return what the page says then.

    The form's errors, where there are some.
    """
    options = rows[0]._meta
    sent = {"action": name, "_selected_action": [row.pk for row in rows]}
    chosen = site.post(f"/admin/{options.app_label}/{options.model_name}/", sent)
    url = chosen.get("Location", "")
    if f"/do/{name}/" not in url:  # asked of one row only
        url = url_of(rows[0], f"do/{name}")
    answer = site.post(url, values, follow=True)
    if answer.status_code == 422:
        return dict(answer.context["form"].errors)
    return [str(message) for message in answer.context["messages"]]


def is_sent(value):
    return value is not False and value not in (None, "", [])


def errors_of(response):
    assert response.status_code == 200
    form = response.context["adminform"].form
    found = dict(form.errors)
    for inline in response.context["inline_admin_formsets"]:
        if inline.formset.non_form_errors():
            found[inline.formset.prefix] = inline.formset.non_form_errors()
    return {name: list(messages) for name, messages in found.items()}


@pytest.mark.parametrize("model", MODELS)
def test_every_page_of_the_admin_opens(site, model):
    make_group(make_user())
    Category.objects.create(slug="weather", name="Weather")
    make_market(status="resolving")
    get_exchange()
    assert site.get(f"/admin/markets/{model}/", follow=True).status_code == 200
    assert site.get(f"/admin/markets/{model}/?q=x", follow=True).status_code == 200
    rows = admin.site._registry
    shown = next(m for m in rows if m._meta.label_lower == f"markets.{model}")
    for row in shown._default_manager.all()[:1]:
        assert site.get(url_of(row)).status_code == 200


def test_a_market_is_created_as_everywhere(site, operator):
    response = site.post("/admin/markets/market/add/", NEW)
    assert response.status_code == 302, errors_of(response)
    market = Market.objects.get(slug="will-it-rain")
    assert (market.creator, market.approved_by, market.outcomes.count()) == (operator, operator, 2)
    assert market.escrow_account_id
    assert AuditEvent.objects.filter(action="create_market").exists()


def test_the_form_of_a_new_market_begins_with_the_policy_s_terms(site):
    set_policy(default_fee_kind="flat", default_fee_taker_rate=20_000, default_dispute_seconds=99)
    form = site.get("/admin/markets/market/add/").context["adminform"].form
    assert form["fee_kind"].value() == "flat"
    assert (form["fee_taker_rate"].value(), form["dispute_seconds"].value()) == ("0.02", "1m 39s")


def test_terms_are_written_in_contracts_and_credits(site):
    written = {
        "tick_pips": "10", "lot_step_lots": "2.5", "position_limit_lots": "1000",
        "fee_kind": "quadratic", "fee_taker_rate": "0.07", "dispute_seconds": "2d 12h",
    }  # fmt: skip
    response = site.post("/admin/markets/market/add/", {**NEW, **written})
    assert response.status_code == 302, errors_of(response)
    market = Market.objects.get()
    assert (market.tick_pips, market.lot_step_lots, market.position_limit_lots) == (10, 250, 10**5)
    assert (market.fee_taker_rate, market.dispute_seconds) == (70_000, 216_000)
    page = site.get(url_of(make_market(status="open", position_limit_lots=12_345))).content.decode()
    assert "123.45" in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tick_pips": "30"}, "tick_pips"),
        ({"close_at_0": "2001-01-01"}, "close_at"),
        ({"fee_taker_rate": "0.5"}, "fee_taker_rate"),
        ({"fee_taker_rate": "1.000001"}, "fee_taker_rate"),
        ({"dispute_seconds": "soon"}, "dispute_seconds"),
        ({"resolver": "nobody_like_this"}, "resolver"),
        ({"visibility": "group"}, "group"),
        ({"slug": "UPPER"}, "slug"),
        ({"title": ""}, "title"),
        ({"position_limit_lots": "0"}, "position_limit_lots"),
    ],
    ids=str,
)
def test_what_the_actions_refuse_is_shown_at_its_field(site, changes, field):
    errors = errors_of(site.post("/admin/markets/market/add/", {**NEW, **changes}))
    assert list(errors) == [field]
    assert not Market.objects.exists()


def test_a_draft_is_edited_with_its_outcomes(site):
    market = make_market(kind="categorical", outcomes=THREE_OUTCOMES)
    sent = form_of(site.get(url_of(market)))
    sent |= {"title": "Which colour?", "outcomes-0-index": "1", "outcomes-1-index": "0"}
    response = site.post(url_of(market), sent)
    assert response.status_code == 302, errors_of(response)
    market.refresh_from_db()
    assert market.title == "Which colour?"
    assert [outcome.code for outcome in market.outcomes.all()] == ["GREEN", "RED", "BLUE"]
    assert AuditEvent.objects.get(action="edit_market").after == {"title": "Which colour?"}
    assert AuditEvent.objects.filter(action="set_outcomes").count() == 1


def test_wrong_outcomes_are_refused_as_a_whole(site):
    market = make_market(kind="categorical", outcomes=THREE_OUTCOMES)
    sent = form_of(site.get(url_of(market))) | {"outcomes-0-name": "blue"}
    errors = errors_of(site.post(url_of(market), sent))
    assert errors == {"outcomes": ["Each outcome is named once."]}
    assert market.outcomes.first().name == "Red"


def test_a_live_market_can_only_be_mended(site):
    market = make_market(status="open")
    sent = form_of(site.get(url_of(market)))
    assert "title" not in sent
    sent |= {"description": "Clearer", "title": "Changed", "tick_pips": "10", "featured": "on"}
    sent |= {"outcomes-0-name": "Changed"}
    response = site.post(url_of(market), sent)
    assert response.status_code == 302, errors_of(response)
    before = market.title
    market.refresh_from_db()
    assert (market.description, market.featured) == ("Clearer", True)
    assert (market.title, market.tick_pips) == (before, 100)
    assert Outcome.objects.get(market=market, index=0).name == "Yes"


def test_saving_without_a_change_changes_nothing(site):
    market = make_market(status="closed")
    response = site.post(url_of(market), form_of(site.get(url_of(market))))
    assert response.status_code == 302
    assert not AuditEvent.objects.filter(action="edit_market").exists()


def test_proposals_are_approved_and_rejected_with_a_note(site, alice):
    let_everyone_create()
    good, bad = (make_market(by=alice, status="proposed") for _ in range(2))
    open_ = make_market(status="open")

    assert act(site, "approve", good, open_) == [
        f"{open_}: This market is not proposed.",
        "“Approve” was done for 1 row.",
    ]
    assert act(site, "reject", bad) == {"reason": ["This field is required."]}
    assert act(site, "reject", bad, reason="Which one?") == ["The market is rejected."]
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, good.approved_at is None) == ("draft", False)
    assert (bad.status, bad.approved_at) == ("draft", None)
    assert StatusChange.objects.filter(market=bad, reason="Which one?").exists()


def test_history_and_results_are_read_only_and_markets_are_never_deleted(site):
    market = make_market(status="open")
    change = market.status_changes.first()
    assert site.post(url_of(change), {"reason": "x"}).status_code == 403
    assert site.post(url_of(change, "delete"), {"post": "yes"}).status_code == 403
    assert site.post(url_of(market, "delete"), {"post": "yes"}).status_code == 403
    assert site.get("/admin/markets/statuschange/add/").status_code == 403


def test_staff_without_the_right_look_and_change_nothing():
    staff = make_user("staff_member")
    staff.is_staff = True
    staff.save()
    staff.user_permissions.add(Permission.objects.get(codename="view_market"))
    client = Client()
    client.force_login(staff)
    market = make_market()
    assert client.get(url_of(market)).status_code == 200
    assert client.post(url_of(market), NEW).status_code == 403
    assert client.post("/admin/markets/market/add/", NEW).status_code == 403
    assert client.get("/admin/markets/exchange/1/change/").status_code == 403
    assert client.post(url_of(market, "do/feature")).status_code == 403


def test_who_enters_and_leaves_a_group_is_audited(site, alice):
    group = make_group(alice)
    page = site.get(url_of(group))
    sent = form_of(page) | {"memberships-0-DELETE": "on"}
    assert site.post(url_of(group), sent).status_code == 302
    assert not Group.objects.get().members.exists()
    event = AuditEvent.objects.get(action="remove_group_member")
    assert event.after == {"user": "alice"}


def test_a_market_is_featured_and_stops_being(site):
    market = make_market(status="open")
    for name, is_featured in (("feature", True), ("unfeature", False)):
        act(site, name, market)
        market.refresh_from_db()
        assert market.featured is is_featured


def test_markets_are_filtered_by_when_they_close(site):
    soon, later = (make_market(status="open", close_at=in_days(days)) for days in (0.5, 5))
    listed = site.get("/admin/markets/market/?due=day").context["cl"].result_list
    assert list(listed) == [soon]
    assert later in site.get("/admin/markets/market/?due=week").context["cl"].result_list


def test_the_exchange_is_halted_and_resumed_with_reasons_and_audit_events(site, operator):
    exchange = get_exchange()
    assert site.post(url_of(exchange), {"trading_halted": "on"}).status_code == 403
    assert act(site, "halt", exchange) == {"reason": ["This field is required."]}
    act(site, "halt", exchange, reason="Odd prices")
    act(site, "announce", exchange, announcement="Back soon")
    exchange.refresh_from_db()
    assert (exchange.trading_halted, exchange.announcement) == (True, "Back soon")
    offered = {one["name"] for one in site.get(url_of(exchange)).context["offered"]}
    assert offered == {"announce", "resume", "start-maintenance"}
    act(site, "resume", exchange, reason="All is well")
    act(site, "start-maintenance", exchange, reason="Upgrade")
    act(site, "end-maintenance", exchange, reason="Done")
    exchange.refresh_from_db()
    assert (exchange.trading_halted, exchange.maintenance) == (False, False)
    events = AuditEvent.objects.filter(action="edit_exchange", actor=operator).order_by("id")
    assert events[0].after == {"trading_halted": True}
    assert events[0].reason == "Odd prices"
    assert events.count() == 5
    assert site.get("/admin/markets/exchange/add/").status_code == 403


def test_an_operator_gives_a_draft_an_automated_maker(site):
    market = make_market()
    sent = form_of(site.get(url_of(market)))
    terms = {"maker_b_lots": "100", "maker_priors": "3; 1", "maker_alone": "on"}
    assert (
        site.post(url_of(market), sent | terms | {"maker_funded_by_house": "on"}).status_code == 302
    )
    market.refresh_from_db()
    assert (market.maker_b_lots, market.maker_priors) == (10_000, [3, 1])
    assert (market.maker_alone, market.maker_funded_by_house) == (True, True)
    assert market.maker_account_id is not None
    page = site.post(url_of(market), sent | {"maker_priors": "3; 0"})
    assert "one whole number above 0" in page.content.decode()
    Market.objects.filter(pk=market.pk).update(status="open")
    assert "100" in str(site.get(url_of(market)).context["adminform"].form.instance.maker_b_lots)
