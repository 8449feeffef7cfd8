"""A recorded session as a live market: as recorded without others, and moved by them."""

from types import SimpleNamespace

import pytest

from markets.models import Market
from simulator.recordings.crowd import OPEN, Crowd, QueueModel
from simulator.recordings.recording import Recording
from simulator.recordings.session import read_session
from simulator.recordings.stage import do_end_session, get_members
from tests.engine.test_recordings import WINDOWS
from tests.simulator.stage import build_session
from tests.trading.world import buy, cancel, sell
from trading.engine.types import OrderStatus
from trading.models import Order
from trading.pipeline.gateway import TimedOut

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]
SHORTEST = "KXGOLD15M-26AUG101900-00"
OTHERS = [window for window in WINDOWS if window != SHORTEST]
MODELS = list(QueueModel)


@pytest.fixture
def bot(alice):
    return alice


def remaining(result):
    return Order.objects.get(pk=result.order.order_id).remaining_lots


@pytest.mark.parametrize(
    "window", [SHORTEST, *(pytest.param(one, marks=pytest.mark.soak) for one in OTHERS)]
)
@pytest.mark.timeout(1_800)
def test_a_whole_session_has_every_recorded_book_and_settles_as_recorded(
    make_stage, data_dir, operator, window
):
    folder = data_dir / "kalshi_gold15m"
    [path] = (folder / "events" / window).iterdir()
    session = read_session(path)
    recording = Recording(folder / f"derived/{window}.ops.csv.gz")
    stage = make_stage(session)
    for number in recording.checkpoints:
        stage.player.session = session._replace(
            operations=session.operations[: number + 1], times_ms=session.times_ms[: number + 1]
        )
        stage.play_all()
        assert stage.book() == recording.checkpoints[number]
        stage.begin_again()
    stage.player.session = session
    stage.play_all()
    assert stage.book() == {}
    assert do_end_session(stage.market, session.payout_pips)
    stage.market.refresh_from_db()
    assert stage.market.status == Market.Status.SETTLED
    payouts = stage.market.outcomes.order_by("index").values_list("payout_pips", flat=True)
    won = recording.metadata()["result"] == "yes"
    assert list(payouts) == ([10_000, 0] if won else [0, 10_000])


@pytest.mark.parametrize("model", MODELS)
def test_without_others_the_book_is_the_recorded_one(make_stage, data_dir, model):
    folder = data_dir / "kalshi_gold15m"
    session = read_session(folder / f"derived/{SHORTEST}.ops.csv.gz")
    few = session._replace(operations=session.operations[:2_500], times_ms=session.times_ms[:2_500])
    stage = make_stage(few, model)
    stage.play_all()
    expected = {f"{side}{pips // 100}": lots for (side, pips), lots in stage.crowd.recorded.items()}
    assert stage.book() == expected
    assert stage.player.is_done


@pytest.mark.parametrize(
    ("model", "ahead"),
    [(QueueModel.OPTIMISTIC, 0), (QueueModel.PRO_RATA, 60), (QueueModel.CONSERVATIVE, 100)],
)
def test_who_leaves_the_queue_is_what_the_model_says(make_stage, bot, model, ahead):
    session = build_session(
        ("place", "yes", 40, 100),  # before the bot
        ("place", "yes", 40, 150),  # behind it
        ("cancel", "yes", 40, 100),
        ("take", "yes", 40, 120),
    )
    stage = make_stage(session, model)
    stage.play_to(0)
    [mine] = stage.run(buy(stage.market, bot, 40, 100))
    stage.play_to(2_000)
    queue = Order.objects.filter(market=stage.market, status__in=OPEN)
    first = [row.remaining_lots for row in queue if row.pk.hex < mine.order.order_id]
    assert sum(first) == ahead
    stage.play_to(3_000)
    assert remaining(mine) == max(0, 100 - (120 - ahead))


def test_a_bot_in_front_gets_the_recorded_flow_and_as_much_leaves_behind_it(make_stage, bot):
    session = build_session(("place", "yes", 40, 100), ("take", "yes", 40, 70))
    stage = make_stage(session)
    stage.play_to(0)
    [mine] = stage.run(buy(stage.market, bot, 41, 50))
    stage.play_to(1_000)
    assert remaining(mine) == 0
    assert stage.book() == {"yes40": 30}


def test_what_a_bot_takes_is_missing_until_the_recorded_level_falls_below_the_rest(make_stage, bot):
    session = build_session(
        ("place", "yes", 40, 100),
        ("place", "yes", 40, 50),
        ("cancel", "yes", 40, 80),
        ("cancel", "yes", 40, 30),
    )
    stage = make_stage(session)
    stage.play_to(0)
    stage.run(sell(stage.market, bot, 40, 90))
    stage.play_to(1_000)
    assert stage.book() == {"yes40": 60}
    stage.play_to(2_000)
    assert stage.book() == {"yes40": 60}
    stage.play_to(3_000)
    assert stage.book() == {"yes40": 40}


def test_a_recorded_order_meets_a_bot_that_offers_more(make_stage, bot):
    session = build_session(("place", "no", 50, 100), ("place", "yes", 45, 80))
    stage = make_stage(session)
    stage.play_to(0)
    [mine] = stage.run(sell(stage.market, bot, 44, 30))
    stage.play_to(1_000)
    assert Order.objects.get(pk=mine.order.order_id).status == OrderStatus.FILLED
    assert stage.book() == {"no50": 100, "yes45": 50}


def test_a_snapshot_in_the_middle_keeps_everybody_s_place(make_stage, bot):
    session = build_session(
        ("place", "yes", 40, 100),
        ("reset", "", 0, 0),
        ("init", "yes", 40, 120),
        ("init", "no", 55, 10),
        ("take", "yes", 40, 130),
    )
    stage = make_stage(session)
    stage.play_to(0)
    [mine] = stage.run(buy(stage.market, bot, 40, 30))
    stage.play_to(3_000)
    assert stage.book() == {"yes40": 150, "no55": 10}
    stage.play_to(4_000)
    assert remaining(mine) == 0
    assert stage.book() == {"no55": 10}


def test_a_crowd_continues_from_what_it_dumped(make_stage, bot):
    session = build_session(
        ("place", "yes", 40, 100), ("place", "yes", 40, 50), ("cancel", "yes", 40, 120)
    )
    stage = make_stage(session)
    stage.play_to(1_000)
    again = Crowd(get_members(), QueueModel.CONSERVATIVE)
    again.load(stage.crowd.dump())
    stage.player.crowd = stage.crowd = again
    stage.play_to(2_000)
    assert stage.book() == {"yes40": 30}


def test_a_cancelled_order_of_a_bot_is_no_affair_of_the_crowd(make_stage, bot):
    stage = make_stage(build_session(("place", "yes", 40, 100), ("take", "yes", 40, 10)))
    stage.play_to(0)
    [mine] = stage.run(buy(stage.market, bot, 41, 50))
    stage.run(cancel(stage.market, bot, mine.order.order_id))
    stage.play_all()
    assert stage.book() == {"yes40": 90}


def test_a_play_goes_on_where_answers_were_lost_or_tasks_had_to_wait(make_stage, monkeypatch):
    """Every second message fails: it times out after it was done, or is sent back undone."""
    rows = [("place", "yes", 40, 100), ("place", "no", 55, 100), ("cancel", "yes", 40, 30)]
    session = build_session(*rows, ("place", "yes", 41, 50), ("take", "yes", 40, 60))
    stage = make_stage(session)
    asked = []
    answer = stage.answer

    def fail_often(tasks):
        asked.append(tasks)
        turn = len(asked) % 4
        if turn == 1:
            return [SimpleNamespace(status="retry", result=None) for _ in tasks]
        answers = answer(tasks)
        if turn == 3:
            raise TimedOut
        return answers

    monkeypatch.setattr(stage, "answer", fail_often)
    for number in range(len(session.operations)):
        stage.play_to(number * 1_000)
    assert stage.player.is_done
    assert len(asked) > 8
    assert stage.book() == {"yes40": 60, "no55": 100}
