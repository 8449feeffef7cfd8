"""What the bench's commands refuse, before anything is served."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kernel.errors import ApiError
from predex_client import ConnectionLostError
from predex_client.simulator import Simulator, SimulatorState
from simulator.bench import Play, get_path, list_snapshots
from simulator.management.commands.simulate import FEES, read_speed
from simulator.people import People, _read, write
from tests.trading import world
from trading.models import Trade

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def test_a_site_that_is_no_bench_serves_none(settings):
    settings.SIMULATOR = False
    for command in (["simulate"], ["play_recording", "x.ndjson"]):
        with pytest.raises(CommandError, match="set SIMULATOR=1"):
            call_command(*command)


def test_a_file_that_is_no_recording_is_named(settings, tmp_path):
    settings.SIMULATOR = True
    path = tmp_path / "x.ndjson"
    path.write_text("nothing\n")
    with pytest.raises(CommandError, match="line 1: not JSON"):
        call_command("play_recording", path)
    with pytest.raises(CommandError, match="is no recorded session"):
        call_command("play_recording", tmp_path / "y.ndjson")


def test_a_snapshot_that_is_not_there_leaves_the_database_alone(settings):
    settings.SIMULATOR = True
    for name in ("none", "../none"):
        with pytest.raises(CommandError, match="there is no snapshot"):
            call_command("simulate", "--snapshot", name)


def test_no_name_of_a_snapshot_is_the_file_of_keys(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    write(People("operator's", []))
    get_path("keys", "json").write_bytes(b"{}")
    assert list_snapshots() == ["keys"]
    assert _read() == People("operator's", [])


async def test_a_play_that_fails_says_why():
    async def fail():
        raise AssertionError("the crowd is lost")

    play: Any = Play.__new__(Play)
    play.market, play.player = SimpleNamespace(slug="m"), SimpleNamespace(play=fail)
    await play.run()
    assert play.error == "AssertionError: the crowd is lost"


def test_a_reset_after_which_nothing_comes_back_is_given_up(monkeypatch):
    state = SimulatorState("a", is_ready=True, seed=0, snapshots=("start",), plays=())
    monkeypatch.setattr("predex_client.simulator.RESET_SECONDS", 0.1)
    monkeypatch.setattr(Simulator, "send", lambda self, request: state)
    simulator = Simulator("http://bench.invalid", "")
    with pytest.raises(ConnectionLostError, match="did not come back"):
        simulator.reset()
    simulator.close()


@pytest.mark.parametrize(
    ("name", "micros"),
    [
        ("none", 0),
        ("kalshi", 175_000),
        ("polymarket-crypto", 175_000),
        ("polymarket-economics", 125_000),
        ("polymarket-politics", 100_000),
        ("polymarket-sports", 75_000),
    ],
)
def test_a_venue_s_fees_are_those_of_its_curve(name, micros):
    alice, bob, shard = world.make_account(), world.make_account(), world.own_shard()
    market = world.make_market(**FEES[name])
    world.open_market(shard, market)
    world.run(shard, world.sell(market, bob, 50, 1_000), world.buy(market, alice, 50, 1_000))
    trade = Trade.objects.get()
    assert (trade.taker_fee_micros, trade.maker_fee_micros) == (micros, 0)


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan"])
def test_a_speed_is_a_number_above_0(text):
    with pytest.raises(CommandError, match="--speed is a number"):
        read_speed(text)


@pytest.mark.parametrize("name", ["", "../x", "A", "x" * 41, "a.b"])
def test_a_snapshot_s_name_is_no_path(name):
    with pytest.raises(ApiError):
        get_path(name, "json")
