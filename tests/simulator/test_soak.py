"""All recorded sessions at once, fifty times as fast as they were, with a bot in each."""

import time
from decimal import Decimal

import pytest

from bots.bar_touch import play
from predex_client import PredexError
from predex_client.testing import Exchange
from tests.engine.test_recordings import WINDOWS
from tests.exchange import ROOT, run_manage

PLAY_SECONDS = 3_000


@pytest.mark.soak
@pytest.mark.timeout(4_000)
@pytest.mark.parametrize("model", ["optimistic", "pro_rata", "conservative"])
def test_seven_sessions_at_fifty_times_their_pace_with_a_bot_in_them(data_dir, model):
    folder = data_dir / "kalshi_gold15m/events"
    recordings = [next((folder / window).iterdir()) for window in WINDOWS]
    options = ["--speed", "50", "--queue", model, "--fees", "kalshi"]
    with Exchange(ROOT, recordings=recordings, options=options) as exchange:
        simulator, client = exchange.simulator(), exchange.client()
        give_up_at = time.monotonic() + PLAY_SECONDS
        while not all(play.settled for play in simulator.state().plays):
            assert time.monotonic() < give_up_at
            for slug in exchange.markets:
                quote(client, slug)
            time.sleep(0.2)
        report = exchange.simulator(0).report()
        results = {play.recording: client.market(play.market) for play in simulator.state().plays}
        exchange.end_server()
        run_manage("verify", environment=exchange.environment)
        run_manage("replay", environment=exchange.environment)
    assert len(report["fills"]) > 20
    assert len(report["markets"]) == len(WINDOWS)
    assert {market.status for market in results.values()} == {"settled"}
    lost = results["KXGOLD15M-26AUG051300-00"].outcomes[0].payout
    won = results["KXGOLD15M-26AUG050800-00"].outcomes[0].payout
    assert (lost, won) == (Decimal(0), Decimal(1))


def quote(client, slug):
    """Join both sides and sometimes take, as far as the market lets one."""
    try:
        book = client.book(slug)["YES"]
        client.cancel_all(market=slug)
        if book.bids and book.asks:
            client.place(slug, "buy", 5, book.bids[0].price)
            client.place(slug, "sell", 5, book.asks[0].price)
            client.place(slug, "buy", 1, book.asks[0].price, time_in_force="ioc")
    except PredexError:
        return  # it has closed meanwhile


@pytest.mark.soak
@pytest.mark.timeout(1_000)
def test_a_strategy_that_wins_in_a_naive_fill_model_loses_in_the_queue(data_dir):
    window = "KXGOLD15M-26AUG101900-00"
    [path] = (data_dir / "kalshi_gold15m/events" / window).iterdir()
    result = play(str(path))
    assert result.naive_profit == 4  # as docs/simulator.md says
    assert result.profit == Decimal("-3.804")
