"""Paying a market survives kill -9 anywhere, and any number of payers, on both databases."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exchange import ROOT, program_environment

CHUNK = 25  # as in payer

ACCOUNTS = 2_000
STEPS = ACCOUNTS // CHUNK
KILLS = 3


class Payer:
    """A process that prepares or settles a market; `output` is what it says."""

    def __init__(self, path: Path) -> None:
        self.output = path.open()
        self.pid = int(self.output.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.output.read()  # which ends with the process

    def finish(self) -> list[str]:
        """Let it work to the end; return the lines it said."""
        return self.output.read().splitlines()


class Payers:
    """Payers of one market in one database."""

    def __init__(self, folder: Path, database_url: str, how: str) -> None:
        self.folder = folder
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.lifecycle.payer"],
            cwd=ROOT,
            env=program_environment(folder, database_url=database_url),
            stdin=subprocess.PIPE,
            text=True,
        )
        [self.market_id] = self.start("prepare", str(ACCOUNTS), how).finish()

    def start(self, *what: str) -> Payer:
        self.count += 1
        path = self.folder / f"payer-{self.count}"
        os.mkfifo(path)
        self.process.stdin.write(json.dumps([str(path), *what]) + "\n")
        self.process.stdin.flush()
        return Payer(path)

    def start_settling(self) -> Payer:
        """Return a payer that is about to begin; nothing was broken when it came."""
        payer = self.start("settle", self.market_id)
        assert payer.output.readline() == "broken: []\n"
        return payer

    def end(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(timeout=15) == 0


def finish(payer: Payer) -> tuple[int, str]:
    """Let a payer pay to the end: how many steps it took, and the market's status."""
    *steps, broken, status = payer.finish()
    assert broken == "broken: []"
    assert set(steps) <= {"step"}
    return len(steps), status


@pytest.fixture
def make_payers(database_kind, request, tmp_path):
    made = []

    def make(how: str) -> Payers:
        databases = request.getfixturevalue(f"{database_kind}_databases")
        payers = Payers(tmp_path, databases.make(tmp_path), how)
        made.append(payers)
        return payers

    yield make
    for payers in made:
        payers.end()


@pytest.mark.parametrize(("how", "final"), [("result", "settled"), ("void", "voided")])
def test_a_payer_killed_at_any_moment_leaves_every_position_paid_once_or_not_at_all(
    make_payers, how, final
):
    payers, chance = make_payers(how), random.Random(how)
    steps_seen = 0
    for _ in range(KILLS):
        payer = payers.start_settling()
        for _ in range(chance.randint(1, STEPS // KILLS - 4)):
            assert payer.output.readline() == "step\n"
            steps_seen += 1
        time.sleep(chance.uniform(0, 0.004))
        payer.kill()
    steps, status = finish(payers.start_settling())
    assert status == final
    assert 1 < steps < STEPS - steps_seen + 3, "it went on where the killed ones had stopped"


def test_payers_at_the_same_time_pay_every_position_once(make_payers):
    payers = make_payers("result")
    both = [payers.start_settling() for _ in range(2)]
    assert "settled" in {finish(payer)[1] for payer in both}
