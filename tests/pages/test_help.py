"""Help says what the exchange does: its worked numbers come out of the engine itself."""

import ast
import re

import pytest

from markets.lifecycle import scalar_payout
from tests.trading.world import (
    CREDIT,
    buy,
    make_account,
    make_market,
    open_market,
    own_shard,
    run,
    sell,
)
from trading.engine.commands import CancelAll
from trading.engine.fees import compute_basis, round_up
from trading.engine.types import FeeKind, Fees
from trading.models import Margin
from trading.pipeline.messages import Task

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def test_the_fees_named_are_those_charged(client):
    fees = Fees(FeeKind.QUADRATIC, 0, 70_000, 10_000)
    charged = [
        round_up(fees, 70_000 * compute_basis(fees, pips, 100 * 100)) for pips in (5_000, 9_500)
    ]
    assert charged == [1_750_000, 340_000]
    page = client.get("/help/").content.decode()
    assert re.search(r"100 contracts at 0\.50 cost 1\.75\scr and 100 at 0\.95 cost 0\.34\scr", page)


def test_the_holds_named_are_those_held(client):
    shard, market = own_shard(), make_market()
    open_market(shard, market)

    def hold(*orders, owning=False):
        account = make_account()
        if owning:
            run(shard, sell(market, make_account(), 60, 1_000), buy(market, account, 60, 1_000))
        run(shard, *(order(market, account) for order in orders))
        held = Margin.objects.get(account=account, market=market).held_micros
        run(shard, Task(0, market.pk, CancelAll(account.pk)))
        return held / CREDIT

    def bid(market, account):
        return buy(market, account, 60, 1_000)

    def ask(market, account):
        return sell(market, account, 65, 1_000)

    assert (hold(bid), hold(ask), hold(bid, ask), hold(ask, owning=True)) == (6, 3.5, 6, 0)
    page = client.get("/help/").content.decode()
    for amount in ("6.00", "3.50", "0.00"):
        assert re.search(rf'<td class="right num"[^>]*>{re.escape(amount)}\scr</td>', page)


def test_numbers_sub_accounts_keys_and_webhooks_are_explained(client):
    page = client.get("/help/").content.decode()
    market = make_market(kind="scalar", low_millionths=0, high_millionths=100 * 1_000_000)
    assert scalar_payout(market, "60") == [6_000, 4_000]
    assert re.search(r"at 60 each Higher pays 0\.60\scr and each Lower 0\.40\scr", page)
    for path in ("/account/keys/", "/account/subaccounts/", "/account/webhooks/"):
        assert f'href="{path}"' in page
    guide = client.get("/help/api/").content.decode()
    for path in ("/docs/api.md", "/docs/webhooks.md", "/account/subaccounts/"):
        assert f'href="{path}"' in guide
        assert client.get(path).status_code in (200, 302)


def test_the_guide_for_programs_names_this_site_and_a_whole_bot(client, settings):
    page = client.get("/help/api/").content.decode()
    assert "/api/v1/markets?status=open" in page
    assert "/ws/v1" in page
    code = re.search(r"&quot;&quot;&quot;A bot.*?</code>", page, re.DOTALL)[0]
    text = code.removesuffix("</code>").replace("&quot;", '"').replace("&#x27;", "'")
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert ast.parse(text).body
