"""Settles a market in processes of their own, to be killed: `python -m tests.lifecycle.payer`.

Each line of standard input, `[PATH, WHAT...]` in JSON, is done by a fork of this process, which
writes its id and then what it has to say to PATH: nothing is imported again for it. WHAT:
`prepare COUNT result|void|correction` makes a market to be paid, or one that was paid and is to be
corrected, and says its id. `settle ID CHUNK` says what is broken, then a line for each chunk that
it has paid, then what is broken at the end and the market's status.
"""

import json
import os
import signal
import sys

import django

django.setup()

from markets.models import Market  # noqa: E402
from tests.lifecycle.crowd import make_crowd  # noqa: E402
from tests.trading import world  # noqa: E402
from trading import actions  # noqa: E402
from trading.actions import engine  # noqa: E402
from trading.models import Margin  # noqa: E402
from trading.pipeline.messages import Answer, decode_result  # noqa: E402
from trading.settlement import corrections  # noqa: E402
from trading.settlement import payments as settlement  # noqa: E402
from trading.verify.laws import LAWS, check_law  # noqa: E402
from trading.verify.settlement_laws import SETTLEMENT_LAWS  # noqa: E402


def prepare(count: int, how: str) -> int:
    operator = world.make_user("operator1", staff=True)
    shard = world.own_shard()

    def send_sync(tasks):
        replies = [shard.run([task]).replies[0] for task in tasks]
        return [Answer(0, reply.status, decode_result(reply.result)) for reply in replies]

    engine.send_sync = send_sync
    market = world.make_market(dispute_seconds=0)
    world.open_market(shard, market)
    make_crowd(market, count)
    actions.do_close_market(market, by=None)
    if how == "void":
        actions.do_void_market(market, by=operator, reason="called off")
    else:
        actions.do_resolve_market(
            market, by=operator, payout_pips=[7_500, 2_500], evidence_text="seen"
        )
    if how == "correction":
        assert settlement.settle_market(market.pk)
        actions.do_correct_result(
            market, by=operator, payout_pips=[2_500, 7_500], evidence_text="seen again"
        )
    return market.pk


def settle(market_id: int, chunk: int) -> None:
    say(f"broken: {check(market_id)}")
    is_correction = corrections.list_running().filter(market=market_id).exists()
    room = corrections if is_correction else settlement
    plain_step = room._step

    def step(*arguments, **options):
        last = plain_step(*arguments, **options)
        say("step")
        return last

    room._step = step
    pay = corrections.correct_market if is_correction else settlement.settle_market
    pay(market_id, chunk=chunk)
    say(f"broken: {check(market_id)}")
    say(Market.objects.get(pk=market_id).status)


def say(line: str) -> None:
    print(line, flush=True)


def check(market_id: int) -> list[str]:
    """The crowd has no trades and no journal, so laws about these are left out."""
    status = Market.objects.get(pk=market_id).status
    unpaid = Margin.objects.filter(market_id=market_id, payout_micros=None).count()
    broken = [] if (status == "resolving") or unpaid == 0 else [f"{status}, {unpaid} unpaid"]
    for law in (*LAWS, *SETTLEMENT_LAWS):
        finding = check_law(law)
        if finding.breaches and "trades" not in law.what:
            broken += finding.examples
    return broken


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        path, *what = json.loads(line)
        if os.fork() == 0:
            sys.stdout = open(path, "w")  # noqa: SIM115
            say(str(os.getpid()))
            do(*what)
            os._exit(0)


def do(what: str, *arguments: str) -> None:
    if what == "prepare":
        count, how = arguments
        say(str(prepare(int(count), how)))
    else:
        settle(*map(int, arguments))


if __name__ == "__main__":
    main()
