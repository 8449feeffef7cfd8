"""A run's figures, from the journal; and the page that shows them."""

import csv
import io
from decimal import Decimal

import pytest
from django.urls import clear_url_caches

from simulator.journal import hash_journal
from simulator.recordings.stage import do_end_session
from simulator.report import build_curve, build_report, show_report, write_csv
from tests.simulator.stage import build_session
from tests.trading.world import buy, sell

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

ROWS = (
    ("place", "yes", 40, 1_000),
    ("place", "no", 50, 1_000),
    ("take", "yes", 40, 300),
    ("place", "yes", 41, 100),
)


@pytest.fixture
def played(make_stage, alice):
    """Alice bought 1 at 0.50 from the ask, and 1 at 0.42 when the taker came."""
    stage = make_stage(build_session(*ROWS))
    stage.play_to(1_000)
    stage.run(buy(stage.market, alice, 50, 100))
    stage.run(buy(stage.market, alice, 42, 100))
    stage.play_all()
    return stage


def test_fills_are_held_against_the_mid_of_before(played, alice):
    taken, made = build_report(alice.pk).fills
    assert (taken.is_maker, taken.side, taken.price_pips, taken.mid_half_pips) == (
        False, 1, 5_000, 9_000,
    )  # fmt: skip
    assert taken.slippage_micros == 500 * 100
    assert taken.queue_us is None
    assert (made.is_maker, made.side, made.price_pips, made.mid_half_pips) == (
        True, 1, 4_200, 9_200,
    )  # fmt: skip
    assert made.slippage_micros == -400 * 100
    assert made.queue_us is not None


def test_profit_and_calibration_come_with_the_result(played, alice, operator):
    before = show_report(build_report(alice.pk))
    assert [market["profit"] for market in before["markets"]] == [None]
    assert do_end_session(played.market, [10_000, 0])
    report = build_report(alice.pk)
    shown = show_report(report)
    assert Decimal(shown["profit"]) == 2 - Decimal("0.50") - Decimal("0.42")
    assert shown["calibration"]["forecasts"] == 2
    assert Decimal(shown["slippage"]) == Decimal("0.01")
    rows = list(csv.DictReader(io.StringIO(write_csv(report).decode())))
    assert [(row["role"], row["price"], row["mid"]) for row in rows] == [
        ("taker", "0.5000", "0.45000"),
        ("maker", "0.4200", "0.46000"),
    ]
    assert [worth for _, worth in build_curve(report)] == [-50_000, 0, 1_080_000]


def test_equal_runs_share_a_hash_and_others_do_not(make_stage, alice):
    hashes = []
    for cents in (45, 45, 46):
        stage = make_stage(build_session(*ROWS))
        stage.play_to(1_000)
        stage.run(buy(stage.market, alice, cents, 100))
        stage.play_all()
        hashes.append(hash_journal(stage.market.pk))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.fixture
def with_pages(settings):
    """The URLs of a site that is a bench."""
    import importlib

    from predex import urls

    settings.SIMULATOR = True
    importlib.reload(urls)
    clear_url_caches()
    yield
    settings.SIMULATOR = False
    importlib.reload(urls)
    clear_url_caches()


def test_the_page_shows_the_run_of_who_is_logged_in(with_pages, played, alice, bob, client):
    do_end_session(played.market, [10_000, 0])
    client.force_login(alice.owner)
    page = client.get("/simulator/")
    assert page.status_code == 200
    text = page.content.decode()
    assert played.market.title in text
    assert "curve-data" in text
    assert client.get("/simulator/report.csv").content.startswith(b"market,time,role")
    client.force_login(bob.owner)
    assert "has not traded yet" in client.get("/simulator/").content.decode()


def test_without_the_simulator_there_is_no_page(client, alice):
    client.force_login(alice.owner)
    assert client.get("/simulator/").status_code == 404


def test_selling_is_seen_from_the_seller_s_side(make_stage, alice):
    stage = make_stage(build_session(*ROWS[:2]))
    stage.play_all()
    stage.run(sell(stage.market, alice, 40, 100))
    [fill] = build_report(alice.pk).fills
    assert (fill.side, fill.slippage_micros) == (-1, 500 * 100)
