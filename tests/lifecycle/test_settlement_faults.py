"""Paying a market survives kill -9 anywhere, and any number of payers, on both databases."""

import random
import subprocess
import sys
import time

import pytest

from tests.exchange import ROOT, program_environment

CHUNK = 25  # as in payer

ACCOUNTS = 2_000
STEPS = ACCOUNTS // CHUNK
KILLS = 3


class Payers:
    """Processes that prepare and settle one market in one database."""

    def __init__(self, environment: dict[str, str], how: str) -> None:
        self.environment = environment
        printed, _ = self.start("prepare", str(ACCOUNTS), how).communicate(timeout=60)
        self.market_id = printed.strip()

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.lifecycle.payer", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start_settling(self) -> subprocess.Popen:
        """Return a payer that is about to begin; nothing was broken when it came."""
        process = self.start("settle", self.market_id)
        assert process.stdout.readline() == "broken: []\n"
        return process


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Let a payer pay to the end: how many steps it took, and the market's status."""
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    *steps, broken, status = printed.splitlines()
    assert broken == "broken: []"
    assert set(steps) <= {"step"}
    return len(steps), status


@pytest.fixture
def make_payers(database_kind, request, tmp_path):
    def make(how: str) -> Payers:
        databases = request.getfixturevalue(f"{database_kind}_databases")
        url = databases.make(tmp_path)
        return Payers(program_environment(tmp_path, database_url=url), how)

    return make


@pytest.mark.parametrize(("how", "final"), [("result", "settled"), ("void", "voided")])
def test_a_payer_killed_at_any_moment_leaves_every_position_paid_once_or_not_at_all(
    make_payers, how, final
):
    payers, chance = make_payers(how), random.Random(how)
    steps_seen = 0
    for _ in range(KILLS):
        payer = payers.start_settling()
        for _ in range(chance.randint(1, STEPS // KILLS - 4)):
            assert payer.stdout.readline() == "step\n"
            steps_seen += 1
        time.sleep(chance.uniform(0, 0.004))
        payer.kill()
        payer.communicate()
    steps, status = finish(payers.start_settling())
    assert status == final
    assert 1 < steps < STEPS - steps_seen + 3, "it went on where the killed ones had stopped"


def test_payers_at_the_same_time_pay_every_position_once(make_payers):
    payers = make_payers("result")
    processes = [payers.start_settling() for _ in range(2)]
    assert "settled" in {finish(process)[1] for process in processes}
