"""Cancel, fill, close, resolve, dispute, pay and void at once, and every task delivered many times.

Each round is a market of its own: whoever wins, there is one outcome and everybody is paid once.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.exchange import ROOT
from tests.faults.conftest import Setter, Stage
from tests.faults.seed import Market
from tests.faults.test_beat import log_in
from tests.faults.test_races import KINDS, find_roles
from tests.faults.wire import Connection, Reply

pytestmark = [pytest.mark.paired]

ROUNDS = [
    *(pytest.param(kind, 15, marks=pytest.mark.timeout(600)) for kind in KINDS),
    *(
        pytest.param(kind, 1_000, marks=[pytest.mark.soak, pytest.mark.timeout(7_200)])
        for kind in KINDS
    ),
]
SPREAD_SECONDS = 0.06
FINAL_SECONDS_MAX = 60
SEEN = {"evidence_text": "it was seen"}
FINAL = ("settled", "voided")
REFUSALS = {409, 403, 404, 422}


@pytest.mark.parametrize(("database_kind", "rounds"), ROUNDS)
async def test_whoever_wins_a_market_has_one_outcome_and_pays_once(
    set_stage: Setter, database_kind: str, rounds: int
):
    roles = find_roles(database_kind)
    patient = {"JWT_ACCESS_SECONDS": "36000"}
    stage = set_stage(database_kind, wishes={"traders": 2}, roles=roles, environment=patient)
    people = People(stage, await log_in(stage), await log_in(stage))
    chance, ends = random.Random(rounds), Counter[str]()
    with delivering(stage):
        for number in range(rounds):
            market = await people.open_market(number)
            await people.race(market, chance)
            status = await people.bring_to_an_end(market, chance)
            ends[f"{status} {read_payout(stage, market)}"] += 1
            corrections = await people.correct(market) if number % 4 == 0 else 0
            ends["corrected"] += corrections
            check(stage, market, corrections)
    print(f"{rounds} rounds on {database_kind}: {dict(ends)}")
    assert stage.database.value(
        "SELECT count(*) FROM accounts_account WHERE kind IN ('escrow', 'fees', 'bonds')"
        " AND cash_micros <> 0"
    ) == 0  # fmt: skip


@contextmanager
def delivering(stage: Stage) -> Iterator[None]:
    """Deliver tasks from another process too, many times at once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.deliver"],
        env=stage.exchange.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        assert process.poll() is None, "a task failed"
    finally:
        process.kill()
        process.wait()


class People:
    """Two traders and an operator at two desks, on connections of their own for each call."""

    def __init__(self, stage: Stage, first: Connection, second: Connection) -> None:
        self.stage = stage
        self.headers = {
            "operator": first.headers,
            "again": second.headers,
            **{f"trader{n}": {"X-API-Key": one.key} for n, one in enumerate(stage.world.traders)},
        }
        self.connections: dict[tuple[str, int], Connection] = {}

    async def ask(
        self, who: str, method: str, path: str, body: Any = None, *, lane: int = 0, after: float = 0
    ) -> Reply:
        """Ask on this person's connection with this number."""
        await asyncio.sleep(after)
        key = (who, lane)
        if key not in self.connections:
            port = self.stage.exchange.port
            self.connections[key] = Connection(port, headers=self.headers[who])
        reply = await self.connections[key].request(method, path, body)
        assert reply.status < 300 or reply.status in REFUSALS, (who, method, path, reply)
        return reply

    async def open_market(self, number: int) -> Market:
        close_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        fields = {"dispute_seconds": 60, "dispute_bond": "5", "slug": f"race-{number}"}
        body = {"title": f"Race {number}?", "close_at": close_at, **fields}
        assert (await self.ask("operator", "POST", "markets", body)).status == 201
        assert (await self.ask("operator", "POST", f"markets/race-{number}/open", {})).status == 200
        find = "SELECT id FROM markets_market WHERE slug = ?"
        return Market(f"race-{number}", self.stage.database.value(find, f"race-{number}"), 0)

    async def race(self, market: Market, chance: random.Random) -> None:
        """Everything at once, each a little later than the others by chance."""
        order = {"market": market.slug, "side": "sell", "price": "0.60", "quantity": "10"}
        placed = (await self.ask("trader0", "POST", "orders", order)).json()
        buy = {**order, "side": "buy", "quantity": "4"}
        path = f"markets/{market.slug}"
        calls = [
            ("trader0", "DELETE", f"orders/{placed['id']}", None),
            ("trader1", "POST", "orders", buy),
            ("trader1", "POST", "orders", {**buy, "quantity": "3"}),
            ("operator", "POST", f"{path}/close", {}),
            ("operator", "POST", f"{path}/resolve", {"yes": "1", **SEEN}),
            ("again", "POST", f"{path}/resolve", {"yes": "0", **SEEN}),
            ("trader1", "POST", f"{path}/dispute", {"text": "it was not"}),
            ("operator", "POST", f"{path}/resolution/pay", {"reason": "it is late"}),
            ("again", "POST", f"{path}/void", {"reason": "nobody knows", "house_cover": "0"}),
        ]
        # Mostly in this order, so that each meets what it is for; who comes last has the last word.
        await asyncio.gather(
            *(
                self.ask(*call, lane=place, after=chance.uniform(0, 1 + place / 3) * SPREAD_SECONDS)
                for place, call in enumerate(calls[: chance.randint(6, len(calls))])
            )
        )

    async def bring_to_an_end(self, market: Market, chance: random.Random) -> str:
        """Decide, twice at once, whatever waits for a decision, until the market is final."""
        give_up_at = time.monotonic() + FINAL_SECONDS_MAX
        path = f"markets/{market.slug}"
        while True:
            shown = (await self.ask("operator", "GET", f"{path}/resolution")).json()
            status = shown["status"]
            if status in FINAL:
                return status
            assert time.monotonic() < give_up_at, shown
            open_disputes = [row for row in shown["disputes"] if not row["decision"]]
            if status in ("open", "halted"):
                await self.ask("operator", "POST", f"{path}/close", {})
            elif status == "closed":
                answers = [{"yes": yes, **SEEN} for yes in ("1", "0.25")]
                await self.both(f"{path}/resolve", answers)
            elif open_disputes and shown["result"] is not None:
                verdicts = [
                    {"decision": decision, "note": "looked again"}
                    for decision in chance.sample(["upheld", "dismissed"], 2)
                ]
                await self.both(f"{path}/disputes/{open_disputes[0]['by']}", verdicts)
            else:
                await self.both(f"{path}/resolution/pay", [{"reason": "it is late"}] * 2)
                await asyncio.sleep(0.02)

    async def both(self, path: str, bodies: list[Any]) -> None:
        first, second = bodies
        await asyncio.gather(
            self.ask("operator", "POST", path, first), self.ask("again", "POST", path, second)
        )

    async def correct(self, market: Market) -> int:
        """Two corrections at once: the second is refused unless the first was already done."""
        path = f"markets/{market.slug}/correction"
        replies = await asyncio.gather(
            self.ask("operator", "POST", path, {"yes": "0.75", **SEEN}),
            self.ask("again", "POST", path, {"yes": "0.5", **SEEN}),
        )
        statuses = sorted(reply.status for reply in replies)
        assert statuses in ([200, 409], [200, 200])
        give_up_at = time.monotonic() + FINAL_SECONDS_MAX
        while (shown := (await self.ask("operator", "GET", path)).json())["state"] != "done":
            assert time.monotonic() < give_up_at, shown
            await asyncio.sleep(0.02)
        return statuses.count(200)


def read_payout(stage: Stage, market: Market) -> Any:
    return stage.database.value(
        'SELECT payout_pips FROM markets_outcome WHERE market_id = ? AND "index" = 0', market.id
    )


def check(stage: Stage, market: Market, corrections: int) -> None:
    """One outcome, one payout of each account, each bond in and out once."""
    value = stage.database.value
    finals = "SELECT count(*) FROM markets_statuschange WHERE market_id = ? AND to_status IN"
    assert value(f"{finals} ('settled', 'voided')", market.id) == 1 + corrections
    active = "SELECT count(*) FROM markets_resolution WHERE market_id = ? AND withdrawn_at IS NULL"
    assert value(active, market.id) == 1
    unpaid = "SELECT count(*) FROM trading_margin WHERE market_id = ? AND payout_micros IS NULL"
    assert value(unpaid, market.id) == 0
    twice = (
        "SELECT count(*) FROM (SELECT credit_account_id, debit_account_id, kind"
        " FROM accounts_transfer WHERE market_id = ? AND kind IN ('settlement', 'void',"
        " 'correction', 'fee_income') GROUP BY credit_account_id, debit_account_id, kind,"
        " reference"
        " HAVING count(*) > 1) AS repeated"
    )
    assert value(twice, market.id) == 0
    bonds = (
        "SELECT coalesce(sum(CASE kind WHEN 'bond' THEN 1 ELSE -1 END), 0) FROM accounts_transfer"
        " WHERE market_id = ? AND kind IN ('bond', 'bond_return', 'bond_loss')"
    )
    assert value(bonds, market.id) == 0
