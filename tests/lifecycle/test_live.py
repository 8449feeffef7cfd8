"""Opening, halting, resuming, closing a market, and what may change meanwhile."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actions.credits import get_house_id
from accounts.models import AuditEvent
from kernel.clock import from_datetime
from kernel.errors import ApiError, RefusedError
from kernel.ids import new_id
from markets.models import Market, StatusChange
from tests.trading import world
from tests.trading.world import CREDIT, buy, run
from trading import actions
from trading.actions.engine import configure, look
from trading.engine.commands import Place
from trading.engine.types import SELL, Config, FeeKind, Fees, MarketStatus
from trading.models import BookState, Order
from trading.pipeline.config import config_of
from trading.pipeline.gateway import EngineAway, TimedOut
from trading.pipeline.messages import Task

pytestmark = pytest.mark.django_db


def history(market):
    changes = StatusChange.objects.filter(market=market).order_by("id")
    return [(change.to_status, change.by, change.reason) for change in changes]


def code_of(refusal):
    return refusal.value.code


def test_a_market_goes_from_draft_to_closed_with_who_and_why(shard, draft, operator):
    actions.do_open_market(draft, by=operator, reason="ready")
    assert draft.status == "open"
    actions.do_halt_market(draft, by=operator, reason="news")
    assert draft.status == "halted"
    actions.do_resume_market(draft, by=operator, reason="calm")
    assert draft.status == "open"
    actions.do_close_market(draft, by=None, reason="close time")
    assert Market.objects.get(pk=draft.pk).status == "closed"
    assert history(draft)[1:] == [
        ("open", operator, "ready"),
        ("halted", operator, "news"),
        ("open", operator, "calm"),
        ("closed", None, "close time"),
    ]


def test_each_act_of_an_operator_leaves_one_audit_event_in_the_engines_commit(
    shard, draft, operator
):
    actions.do_open_market(draft, by=operator, reason="ready")
    actions.do_halt_market(draft, by=operator, reason="news")
    actions.do_refine_tick(draft, by=operator, tick_pips=50, reason="finer")
    actions.do_resume_market(draft, by=operator)
    later = draft.close_at + timedelta(days=1)
    actions.do_change_close_time(draft, by=operator, close_at=later, reason="later")
    actions.do_close_market(draft, by=operator)
    acts = AuditEvent.objects.filter(subject_type="market").order_by("id")
    assert [event.action for event in acts.exclude(action="create_market")] == [
        "open_market", "halt_market", "refine_tick", "resume_market", "change_close_time",
        "close_market",
    ]  # fmt: skip
    event = AuditEvent.objects.get(action="open_market")
    assert (event.actor, event.reason, event.subject_id) == (operator, "ready", str(draft.pk))
    assert event.before is not None
    assert event.after is not None
    assert (event.before["status"], event.after["status"]) == ("draft", "open")


def test_the_engine_gets_the_markets_own_terms(shard, operator):
    market = world.make_market(
        outcomes=3,
        tick_pips=50,
        lot_step_lots=1,
        fee_kind="quadratic",
        fee_maker_rate=10_000,
        fee_taker_rate=70_000,
        fee_unit_micros=10_000,
        position_limit_lots=500,
        strict_refund=True,
    )
    assert config_of(market) == Config(
        binary=False,
        outcomes=3,
        tick_pips=50,
        lot_step_lots=1,
        fees=Fees(FeeKind.QUADRATIC, 10_000, 70_000, 10_000),
        close_at_us=from_datetime(market.close_at),
        position_limit_lots=500,
        strict_refund=True,
        house_account_id=get_house_id(),
    )
    actions.do_open_market(market, by=operator)
    assert look(market) == (MarketStatus.OPEN, config_of(market))


def test_closing_cancels_resting_orders_and_releases_their_holds(shard, market, alice, operator):
    run(shard, buy(market, alice, 40, 1000))
    alice.refresh_from_db()
    assert alice.held_micros == 4 * CREDIT
    actions.do_close_market(market, by=operator)
    alice.refresh_from_db()
    assert alice.held_micros == 0
    assert Order.objects.get().reason == "market_closed"


def test_a_market_past_its_close_time_refuses_orders_before_it_is_closed(
    shard, market, alice, monkeypatch
):
    world.set_clock(monkeypatch, lambda: from_datetime(market.close_at))
    [result] = run(shard, buy(market, alice, 40, 1000))
    assert result.reason == "market_closed"
    assert Market.objects.get(pk=market.pk).status == "open"


def test_a_halted_market_keeps_its_orders_and_takes_none(shard, market, alice, operator):
    [resting] = run(shard, buy(market, alice, 40, 1000))
    actions.do_halt_market(market, by=operator, reason="news")
    [refused] = run(shard, buy(market, alice, 40, 1000))
    assert refused.reason == "market_not_open"
    [cancelled] = run(shard, world.cancel(market, alice, resting.order.order_id))
    assert cancelled.reason is None


def test_the_close_time_of_a_live_market_moves_in_row_and_engine(shard, market, operator):
    later = timezone.now() + timedelta(days=60)
    actions.do_change_close_time(market, by=operator, close_at=later, reason="postponed")
    assert Market.objects.get(pk=market.pk).close_at == later
    assert look(market)[1].close_at_us == from_datetime(later)
    assert market.status == "open"


def test_a_halted_markets_tick_becomes_finer_and_its_orders_stay(shard, market, alice, operator):
    run(shard, buy(market, alice, 40, 1000))
    actions.do_halt_market(market, by=operator, reason="tick")
    actions.do_refine_tick(market, by=operator, tick_pips=10, reason="near the end")
    actions.do_resume_market(market, by=operator)
    assert Market.objects.get(pk=market.pk).tick_pips == 10
    bob = world.make_account()
    between = Place(new_id(), bob.pk, bob.owner_id, 0, SELL, 4_010, 100)
    [result] = run(shard, Task(0, market.pk, between))
    assert result.reason is None


@pytest.mark.parametrize("tick_pips", [100, 200, 30, 0, 7])
def test_a_tick_that_is_not_finer_is_refused(shard, market, operator, tick_pips):
    actions.do_halt_market(market, by=operator, reason="tick")
    with pytest.raises(RefusedError) as refusal:
        actions.do_refine_tick(market, by=operator, tick_pips=tick_pips, reason="x")
    assert code_of(refusal) == "bad_tick"


def test_the_tick_of_an_open_market_stays(shard, market, operator):
    with pytest.raises(RefusedError) as refusal:
        actions.do_refine_tick(market, by=operator, tick_pips=10, reason="x")
    assert code_of(refusal) == "not_halted"


def propose(market, *, by, reason):
    market.dispute_seconds = 3_600
    market.save(update_fields=["dispute_seconds"])
    actions.do_resolve_market(market, by=by, payout_pips=[10_000, 0], evidence_text=reason)


@pytest.mark.parametrize(
    ("act", "statuses"),
    [
        (actions.do_open_market, ("open", "halted", "closed")),
        (actions.do_halt_market, ("draft", "halted", "closed", "resolving")),
        (actions.do_resume_market, ("draft", "open", "closed", "resolving")),
        (actions.do_close_market, ("draft", "closed", "resolving")),
    ],
)
def test_what_does_not_fit_the_status_is_a_conflict_and_changes_nothing(
    shard, draft, operator, act, statuses
):
    paths = {
        "draft": (),
        "open": (actions.do_open_market,),
        "halted": (actions.do_open_market, actions.do_halt_market),
        "closed": (actions.do_open_market, actions.do_close_market),
        "resolving": (actions.do_open_market, actions.do_close_market, propose),
    }
    for status in statuses:
        market = world.make_market()
        for step in paths[status]:
            step(market, by=operator, reason="x")
        before = list(BookState.objects.filter(market=market).values("seq", "status"))
        with pytest.raises(RefusedError) as refusal:
            act(market, by=operator, reason="x")
        assert refusal.value.status == 409
        assert list(BookState.objects.filter(market=market).values("seq", "status")) == before
        assert Market.objects.get(pk=market.pk).status == status


def test_only_operators_with_the_right_act_on_live_markets(shard, market, draft, alice):
    later = timezone.now() + timedelta(days=40)
    for act, options in (
        (actions.do_open_market, {}),
        (actions.do_halt_market, {"reason": "x"}),
        (actions.do_resume_market, {}),
        (actions.do_close_market, {}),
        (actions.do_change_close_time, {"close_at": later, "reason": "x"}),
        (actions.do_refine_tick, {"tick_pips": 10, "reason": "x"}),
    ):
        with pytest.raises(RefusedError) as refusal:
            act(market, by=alice.owner, **options)
        assert refusal.value.status == 403


def test_of_two_operators_who_decide_on_the_same_state_the_second_is_refused(
    shard, market, operator, colleague
):
    seen = look(market)
    actions.do_halt_market(market, by=operator, reason="first")
    with pytest.raises(RefusedError) as refusal:
        configure(market, MarketStatus.OPEN, seen[1], seen=seen, by=colleague, why="second")
    assert code_of(refusal) == "changed_meanwhile"
    assert Market.objects.get(pk=market.pk).status == "halted"


def test_an_opening_that_arrives_late_does_not_undo_a_halt(shard, draft, operator):
    """A trigger that timed out may still be on its way when an operator has halted the market."""
    seen, config = look(draft), config_of(draft)
    actions.do_open_market(draft, by=operator)
    actions.do_halt_market(draft, by=operator, reason="news")
    with pytest.raises(RefusedError):
        configure(draft, MarketStatus.OPEN, config, seen=seen, by=None, why="open time")
    assert Market.objects.get(pk=draft.pk).status == "halted"


def test_a_draft_that_was_edited_on_the_way_does_not_open_with_its_old_terms(
    shard, draft, operator
):
    seen, config = look(draft), config_of(draft)
    Market.objects.filter(pk=draft.pk).update(fee_kind="flat", fee_taker_rate=20_000)
    with pytest.raises(RefusedError):
        configure(draft, MarketStatus.OPEN, config, seen=seen, by=operator, why="")
    assert Market.objects.get(pk=draft.pk).status == "draft"
    actions.do_open_market(draft, by=operator)
    assert look(draft)[1].fees.taker_rate_ppm == 20_000


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(EngineAway(), 503, "engine_away"), (TimedOut(), 504, "timed_out")],
)
def test_an_engine_that_does_not_answer_is_a_named_error(
    draft, operator, monkeypatch, fault, status, code
):
    def send_sync(tasks):
        raise fault

    monkeypatch.setattr("trading.actions.engine.send_sync", send_sync)
    with pytest.raises(ApiError) as error:
        actions.do_open_market(draft, by=operator)
    assert (error.value.status, error.value.code) == (status, code)


def test_an_operator_cancels_every_order_of_an_account(shard, market, alice, operator):
    other = world.make_market(outcomes=3)
    world.open_market(shard, other)
    run(shard, buy(market, alice, 40, 1000), buy(other, alice, 30, 1000, outcome=2))
    assert actions.do_cancel_orders(alice, by=operator, reason="spoofing") == 2
    assert set(Order.objects.values_list("reason", flat=True)) == {"cancelled_by_operator"}
    assert AuditEvent.objects.get(action="cancel_orders").after == {"cancelled": 2}
    with pytest.raises(RefusedError):
        actions.do_cancel_orders(alice, by=alice.owner)


def test_a_halt_keeps_resting_orders_or_cancels_them_by_choice(shard, market, alice, bob, operator):
    other = world.make_market()
    actions.do_open_market(other, by=operator)
    run(shard, buy(market, alice, 30, 100), buy(market, bob, 20, 100), buy(other, alice, 40, 100))
    actions.do_halt_market(market, by=operator, reason="goal?")
    assert Order.objects.open().filter(market=market).count() == 2
    actions.do_resume_market(market, by=operator)
    actions.do_halt_market(market, by=operator, reason="goal", cancel_orders=True)
    assert [order.market_id for order in Order.objects.open()] == [other.pk]
    assert AuditEvent.objects.get(action="clear_market").after == {"cancelled": 2}
    for account, held in ((alice, 40 * CREDIT // 100), (bob, 0)):
        account.refresh_from_db()
        assert account.held_micros == held
    assert actions.do_clear_market(market, by=operator) == 0


def test_only_a_halted_market_is_cleared_and_only_by_operators(shard, market, alice, operator):
    with pytest.raises(RefusedError) as refusal:
        actions.do_clear_market(market, by=operator)
    assert refusal.value.code == "not_halted"
    with pytest.raises(RefusedError) as refusal:
        actions.do_clear_market(market, by=alice.owner)
    assert refusal.value.code == "not_an_operator"


def test_the_choice_is_made_in_the_admin_and_over_the_api(shard, market, alice, operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    admin, api = f"/admin/markets/market/{market.pk}/do", f"/api/v1/markets/{market.slug}"
    body = {"reason": "x", "cancel_orders": True}
    halts = [
        lambda: site.post(f"{admin}/halt/", {"reason": "x", "cancel_orders": "on"}),
        lambda: site.post(f"{api}/halt", body, content_type="application/json"),
    ]
    for halt in halts:
        run(shard, buy(market, alice, 30, 100))
        assert halt().status_code in (200, 302)
        assert not Order.objects.open().exists()
        actions.do_resume_market(market, by=operator)
    run(shard, buy(market, alice, 30, 100))
    site.post(f"{admin}/halt/", {"reason": "x"})
    assert Order.objects.open().exists()
    site.post(f"{admin}/clear/", {"reason": "x"})
    assert not Order.objects.open().exists()
