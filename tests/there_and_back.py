"""Takes a migrated database back to nothing and forward again: `python -m tests.there_and_back`.

One process does it all: each would read every app and every migration again. First it fills the
tables with what a migration might stumble over on its way back. It prints what is unapplied at the
beginning, in between and at the end, and whether a written row could be deleted without the laws of
accounts' second migration, and again with them.
"""

import io
import json

import django
from django.core.management import call_command
from django.db import DatabaseError, connection

django.setup()

from accounts.actions import do_grant  # noqa: E402
from accounts.models import Account, AuditEvent  # noqa: E402
from markets.models import Correction  # noqa: E402
from tests.trading import world  # noqa: E402
from tests.trading.world import CREDIT, buy, run, sell  # noqa: E402
from trading import actions  # noqa: E402
from trading.actions import engine  # noqa: E402
from trading.engine.types import TradeKind  # noqa: E402
from trading.models import Trade  # noqa: E402
from trading.pipeline.messages import Answer, decode_result  # noqa: E402
from trading.settlement.corrections import correct_market  # noqa: E402
from trading.settlement.payments import settle_market  # noqa: E402

# The admin's log and the e-mail addresses refer to users: they go before accounts.
BACKWARD = ("admin", "account", "mfa", "trading", "markets")


def main() -> None:
    before = list_unapplied()
    trade()
    for app in BACKWARD:
        call_command("migrate", app, "zero", verbosity=0)
    call_command("migrate", "accounts", "0001", verbosity=0)
    deleted = [can_delete_a_written_row()]
    call_command("migrate", "accounts", "zero", verbosity=0)
    between = list_unapplied()
    call_command("migrate", verbosity=0)
    deleted.append(can_delete_a_written_row())
    call_command("check", stdout=io.StringIO())
    print(json.dumps({"unapplied": [before, between, list_unapplied()], "deleted": deleted}))


def trade() -> None:
    """Trade with an automated maker, dispute for a bond, pay, correct."""
    operator = world.make_user("olivia", staff=True)
    do_grant(Account.objects.get(owner=operator), amount_micros=1_000 * CREDIT, by=None)
    alice, bob, shard = world.make_account(), world.make_account(), world.own_shard()

    def send_sync(tasks):
        replies = [shard.run([task]).replies[0] for task in tasks]
        return [Answer(0, reply.status, decode_result(reply.result)) for reply in replies]

    engine.send_sync = send_sync
    terms = {"dispute_seconds": 3_600, "dispute_bond_micros": CREDIT}
    market = world.make_market(maker_b_lots=3_000, **terms)
    actions.do_open_market(market, by=None)
    run(shard, buy(market, alice, 60, 1_000), buy(market, bob, 30, 200), sell(market, bob, 45, 700))
    assert Trade.objects.filter(kind=TradeKind.MAKER).exists()
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="x")
    actions.do_dispute_result(market, by=bob.owner, text="x")
    actions.do_decide_dispute(
        market, by=world.make_user("oscar", staff=True), raised_by=bob.owner.handle, uphold=False,
        note="x",
    )  # fmt: skip
    actions.do_pay_result(market, by=operator, reason="x")
    assert settle_market(market.pk)
    actions.do_correct_result(market, by=operator, payout_pips=None, evidence_text="x")
    assert correct_market(market.pk)
    assert Correction.objects.get().state == "done"


def list_unapplied() -> list[str]:
    shown = io.StringIO()
    call_command("showmigrations", no_color=True, stdout=shown)
    lines = (line.strip() for line in shown.getvalue().splitlines())
    return [line for line in lines if line.startswith("[ ]")]


def can_delete_a_written_row() -> bool:
    AuditEvent.objects.create(action="x", subject_type="x", subject_id="x")
    with connection.cursor() as cursor:
        try:
            cursor.execute("DELETE FROM accounts_auditevent")
        except DatabaseError:
            return False
        return True


if __name__ == "__main__":
    main()
