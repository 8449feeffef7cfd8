"""A market's page in each status and for each viewer, and its number of queries."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Account, User
from kernel import cache
from markets.lifecycle import record_status
from markets.models import Category, Event, Exchange, Market, Resolution, Tag
from tests.markets import factories
from tests.pages.trading import browser_of, shard
from tests.trading import world
from tests.trading.world import buy, open_market, run, sell
from trading import actions
from trading.models import Lease
from trading.pages.market import describe_time
from trading.readmodels import projections
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = pytest.mark.django_db

PAYLOAD = "<script>alert(1)</script>"


@pytest.fixture
def alive(shard):
    """The engine gives signs of life, as it does beside a running site."""
    lease = Lease.objects.get(shard=0)
    Lease.objects.filter(shard=0).update(renewed_at_us=lease.acquired_at_us + 10**9)
    return shard


@pytest.fixture
def people(alive):
    """Alice owns 10 YES, which Bob sold; each has an order left."""
    alice, bob = world.make_account(1_000, "alice"), world.make_account(1_000, "bob")
    market = world.make_market(dispute_seconds=3_600)
    open_market(alive, market)
    run(alive, sell(market, bob, 60, 1_500), buy(market, alice, 60, 1_000))
    run(alive, buy(market, alice, 40, 500))
    projections.project_market(market.pk)
    market.refresh_from_db()
    return alice, bob, market


def see(market, account=None, query="", status=200):
    answer = browser_of(account).get(f"/markets/{market.slug}/{query}")
    assert answer.status_code == status
    return answer.content.decode()


def test_the_header_says_what_it_is_about_and_what_it_trades_at(people):
    _alice, _, market = people
    category = Category.objects.create(slug="weather", name="Weather")
    event = Event.objects.create(slug="berlin", title="Berlin this week")
    Market.objects.filter(pk=market.pk).update(category=category, event=event)
    page = see(market)
    assert f'<h1 class="break-words">{market.title.replace("?", "")}' in page
    assert "?category=weather" in page
    assert "Berlin this week" in page
    assert '<span data-ticker="YES">60%</span>' in page  # bid 0.40 and ask 0.60: the last price
    assert "data-countdown=" in page
    assert f'href="/@{market.creator.handle}/"' in page
    assert re.search(r'data-bid="4000" data-ask="6000"', page)
    assert re.search(
        r'data-bid="4000" data-ask="6000".*data-bid="4000" data-ask="6000"', page, re.DOTALL
    )


def test_texts_of_people_are_never_markup(alive):
    creator = factories.make_user("mallory", operator=True)
    tag = Tag.objects.create(slug="t", name=PAYLOAD)
    market = factories.make_market(
        by=creator, status="open", title=PAYLOAD, description=PAYLOAD, rules=PAYLOAD,
        resolution_source=f"see {PAYLOAD}", kind="categorical", tags=[tag],
        outcomes=[("A", PAYLOAD), ("B", '"><img src=x onerror=alert(1)>')],
    )  # fmt: skip
    page = see(market, query="?outcome=A&amount=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_source_that_is_an_address_is_a_careful_link(alive):
    market = factories.make_market(status="open", resolution_source="https://example.org/a?b=1&c=2")
    page = see(market)
    assert (
        '<a class="link" href="https://example.org/a?b=1&amp;c=2" rel="nofollow noopener ugc"'
        in page
    )
    market = factories.make_market(status="open", resolution_source="javascript:alert(1)")
    assert 'href="javascript' not in see(market)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("halted", "Trading is halted in this market."),
        ("closed", "Trading has ended. The result comes next."),
        ("resolving", "Trading has ended. A result is proposed."),
        ("voided", "Trading has ended."),
    ],
)
def test_a_market_that_does_not_trade_says_why_where_the_ticket_was(alive, status, words):
    market = factories.make_market(status=status)
    page = see(market, world.make_account())
    assert f'data-obstacle="{status}"' in page
    assert words in page
    assert 'id="ticket-form"' not in page


def test_a_close_time_binds_by_itself(people):
    alice, _, market = people
    Market.objects.filter(pk=market.pk).update(close_at=timezone.now() - timedelta(seconds=1))
    page = see(market, alice)
    assert 'data-obstacle="closed"' in page
    assert "Waiting for the result" in page


def test_a_market_that_closed_early_says_when_it_did(people):
    _, _, market = people
    assert "Closed" not in see_header(market)
    actions.do_close_market(market, by=world.make_user("opera", staff=True))
    closed = market.status_changes.get(to_status="closed")
    header = see_header(market)
    assert "Closed early:" in header
    assert f'datetime="{closed.created_at.isoformat()}"' in header
    assert market.close_at.isoformat() not in header
    close_at = closed.created_at - timedelta(seconds=1)
    Market.objects.filter(pk=market.pk).update(close_at=close_at)
    market.refresh_from_db()
    header = see_header(market)
    assert "Closed:" in header
    assert f'datetime="{close_at.isoformat()}"' in header


def see_header(market):
    page = see(market)
    return page[
        page.index('<header id="market-header"') : page.index(
            "</header>", page.index('id="market-header"')
        )
    ]


def test_the_whole_exchange_can_stand_in_the_way(people):
    alice, _, market = people
    for field, code in (("trading_halted", "exchange_halted"), ("maintenance", "maintenance")):
        Exchange.objects.update(trading_halted=False, maintenance=False)
        Exchange.objects.update(**{field: True})
        cache.forget_all()
        assert f'data-obstacle="{code}"' in see(market, alice)


def test_an_engine_that_is_away_stops_the_ticket_and_not_the_page(shard):
    market = factories.make_market(status="open")
    Lease.objects.update(renewed_at_us=0)
    page = see(market, world.make_account())
    assert 'data-obstacle="engine_away"' in page
    assert "Rules" in page


def test_a_viewer_who_may_not_trade_sees_what_to_do(people, settings):
    alice, _, market = people
    settings.EMAIL_VERIFICATION_REQUIRED = True
    page = see(market, alice)
    assert 'data-obstacle="email_not_verified"' in page
    assert "/accounts/email/" in page


def test_a_settled_market_shows_its_result_and_what_was_paid(people, alive):
    alice, bob, market = people
    operator = world.make_user("opera", staff=True)
    actions.do_close_market(market, by=operator)
    Market.objects.filter(pk=market.pk).update(dispute_seconds=0)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="It did.")
    assert settle_market(market.pk)
    page = see(market, alice)
    assert "Result: Yes" in page
    assert "You were paid 10.00\N{NO-BREAK SPACE}cr." in page
    assert "Profit +4.00\N{NO-BREAK SPACE}cr" in page
    assert "It did." in page
    assert "Profit \N{MINUS SIGN}4.00\N{NO-BREAK SPACE}cr" in see(market, bob)
    assert "Each Yes contract paid 1.00." in see(market)


def test_a_voided_market_says_what_came_back_and_what_was_taken(people, alive):
    alice, bob, market = people
    operator = world.make_user("opera", staff=True)
    actions.do_void_market(market, by=operator, reason="unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    market.refresh_from_db()
    pages = {account: see(market, account) for account in (alice, bob, None)}
    assert "Every trade was undone." in pages[None]
    shown = re.sub(r"(?s)<script.*?</script>|<details.*?</details>", "", pages[alice])
    assert len(re.findall(r"(?i)voided", re.sub(r"<[^>]+>", "", shown))) == 1
    assert shown.count("Every trade was undone.") == 1
    assert "gains were taken back" in pages[None]
    for account, page in pages.items():
        assert "You were paid" not in page
        assert "gets back what they paid" not in page
        assert 'Open interest</dt><dd class="num font-medium">0</dd>' in page, account
    assert "You got 6.00\N{NO-BREAK SPACE}cr back." in pages[alice]


def test_what_a_void_takes_back_is_said_as_that(alive):
    alice, bob = world.make_account(1_000, "alice"), world.make_account(1_000, "bob")
    market = world.make_market()
    open_market(alive, market)
    run(alive, sell(market, bob, 50, 100), buy(market, alice, 50, 100))
    run(alive, buy(market, bob, 60, 100), sell(market, alice, 60, 100))
    projections.project_market(market.pk)
    actions.do_void_market(market, by=world.make_user("opera", staff=True), reason="unclear")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    page = see(market, alice)
    assert "0.10\N{NO-BREAK SPACE}cr was taken back." in page
    assert "You were paid" not in page
    portfolio = browser_of(alice).get("/portfolio/settlements/").content.decode()
    assert "0.10\N{NO-BREAK SPACE}cr taken back" in portfolio
    assert "Market voided: gains taken back" in (
        browser_of(alice).get("/portfolio/transfers/").content.decode()
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("open", "No sell orders."),
        ("halted", "No sell orders. Trading is halted."),
        ("closed", "No sell orders: trading has ended."),
        ("resolving", "No sell orders: trading has ended."),
        ("settled", "No sell orders: trading has ended."),
        ("voided", "No sell orders: trading has ended."),
    ],
)
def test_an_empty_book_says_what_is_true(alive, status, words):
    page = see(factories.make_market(status=status), world.make_account())
    empty = re.search(r'data-side="ask".*?data-nobody>(.*?)</p>', page, re.DOTALL)
    assert empty is not None
    assert empty[1].startswith(words)


def test_an_empty_book_invites_no_orders_while_the_exchange_is_halted(alive):
    market = factories.make_market(status="open")
    for fields in ({"trading_halted": True}, {"maintenance": True, "trading_halted": False}):
        Exchange.objects.update(**fields)
        cache.forget_all()
        assert "data-nobody>No buy orders. Trading is halted." in see(market)
    Exchange.objects.update(maintenance=False)
    cache.forget_all()
    Market.objects.filter(pk=market.pk).update(close_at=timezone.now() - timedelta(seconds=1))
    assert "data-nobody>No buy orders: trading has ended." in see(market)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (10, "10 seconds"), (90, "90 seconds"), (60, "1 minute"),
     (5_400, "90 minutes"), (7_200, "2 hours"), (86_400, "1 day")],
)  # fmt: skip
def test_a_dispute_window_is_said_exactly(seconds, words):
    assert describe_time(seconds) == words


def test_open_interest_is_the_markets_once(alive):
    alice, bob = world.make_account(1_000, "alice"), world.make_account(1_000, "bob")
    market = world.make_market(outcomes=3)
    open_market(alive, market)
    run(alive, sell(market, bob, 60, 500), buy(market, alice, 60, 500))
    projections.project_market(market.pk)
    market.refresh_from_db()
    assert 'Open interest</dt><dd class="num font-medium">5</dd>' in see(market)


def test_a_draft_is_its_creators_and_the_operators(alive):
    factories.let_everyone_create()
    creator = factories.make_user("carol")
    market = factories.make_market(by=creator, status="draft")
    account = Account.objects.get(owner=creator, number=1)
    page = see(market, account)
    assert "This is a draft." in page
    assert f"/markets/{market.slug}/edit/" in page
    record_status(market, "proposed", by=creator, reason="")
    assert "This market is waiting for approval." in see(market, account)
    see(market, status=404)
    see(market, world.make_account(), status=404)


def test_the_history_of_a_market_is_shown(people):
    alice, _, market = people
    operator = User.objects.filter(is_staff=True).first()
    actions.do_halt_market(market, by=operator, reason="The source is being checked.")
    page = see(market, alice)
    assert "The source is being checked." in page
    assert "History" in page


# --- results -------------------------------------------------------------------------------------


def close(market):
    operator = User.objects.filter(is_staff=True).first()
    actions.do_close_market(market, by=operator)
    return Account.objects.get(owner=operator, number=1)


def test_a_result_is_proposed_with_evidence_by_who_may(people):
    alice, _, market = people
    operator = close(market)
    assert 'id="propose"' not in see(market, alice)
    assert 'id="propose"' in see(market, operator)
    url = f"/markets/{market.slug}/result/"
    browser = browser_of(operator)
    refused = browser.post(url, {"winners": "YES"})
    assert refused.status_code == 422
    assert "Give evidence for the result, or a link to it." in refused.content.decode()
    assert 'value="YES" checked' in refused.content.decode()
    nobody = browser.post(url, {"evidence_text": "x"})
    assert "Choose what has won." in nobody.content.decode()
    address = browser.post(url, {"winners": "YES", "evidence_url": "javascript:alert(1)"})
    assert "This is not a web address" in address.content.decode()
    long = browser.post(url, {"winners": "YES", "evidence_text": "x" * 5_001})
    assert "This is too long." in long.content.decode()
    assert "x" * 5_001 in long.content.decode()
    done = browser.post(url, {"yes": "0.25", "evidence_text": "A quarter of it."})
    assert done.status_code == 302
    assert Resolution.objects.get(market=market).payout_pips == [2_500, 7_500]
    page = see(market, operator)
    assert "2 outcomes share the payout" in page
    assert "A quarter of it." in page
    stranger = browser_of(alice).post(url, {"winners": "YES", "evidence_text": "x"})
    assert stranger.status_code == 422


def test_who_traded_may_dispute_a_result_once(people):
    alice, _, market = people
    operator = close(market)
    actions.do_resolve_market(
        market, by=operator.owner, payout_pips=[0, 10_000], evidence_text="It did not."
    )
    assert "Dispute this result" in see(market, alice)
    url = f"/markets/{market.slug}/dispute/"
    empty = browser_of(alice).post(url, {"text": " "})
    assert "Say what is wrong with this result." in empty.content.decode()
    assert (
        "This is too long." in browser_of(alice).post(url, {"text": "x" * 5_001}).content.decode()
    )
    assert browser_of(alice).post(url, {"text": "It did!"}).status_code == 302
    page = see(market, alice)
    assert "You have disputed this result." in page
    assert "Dispute this result" not in page
    outsider = browser_of(world.make_account()).post(url, {"text": "Me too"})
    assert "Only those who traded in this market" in outsider.content.decode()


def test_what_became_of_a_dispute_is_seen_by_who_raised_it_and_in_the_history(people):
    alice, bob, market = people
    operator = close(market).owner
    proposal = {"by": operator, "payout_pips": [0, 10_000], "evidence_text": "It did not."}
    actions.do_resolve_market(market, **proposal)
    for account, uphold, note in ((alice, False, "No proof."), (bob, True, "A typing error.")):
        handle = account.owner.handle
        actions.do_dispute_result(market, by=account.owner, text=f"{handle} doubts it")
        actions.do_decide_dispute(market, by=operator, raised_by=handle, uphold=uphold, note=note)
        if not uphold:
            assert "Your dispute was dismissed. No proof." in see(market, alice)
            assert "Your dispute was dismissed." not in see(market, bob)
    history = re.search(r"<summary[^>]*>History</summary>.*?</ol>", see(market), re.DOTALL)[0]
    words = re.sub(r"<[^>]*>|\s+", " ", history)
    for shown in ("Dispute dismissed", "No proof.", "Dispute upheld", "A typing error.",
                  "Result disputed", "bob doubts it"):  # fmt: skip
        assert shown in words
    assert words.index("Dispute upheld") < words.index("Dispute dismissed")


# --- size ----------------------------------------------------------------------------------------


def count_queries(django_assert_max_num_queries, market, account, most):
    browser = browser_of(account)
    browser.get(f"/markets/{market.slug}/")  # templates are read here
    cache.forget_all()  # what is kept for a second is read in each of the counted requests
    with django_assert_max_num_queries(most) as queries:
        browser.get(f"/markets/{market.slug}/")
    return len(queries)


def test_queries_are_as_many_however_much_there_is(people, alive, django_assert_max_num_queries):
    alice, bob, market = people
    few = count_queries(django_assert_max_num_queries, market, alice, 40)
    for price in range(41, 60):
        run(alive, buy(market, alice, price, 100))
    for _ in range(20):
        run(alive, sell(market, bob, 59, 100), buy(market, alice, 59, 100))
    projections.project_market(market.pk)
    assert count_queries(django_assert_max_num_queries, market, alice, 40) == few
    assert count_queries(django_assert_max_num_queries, market, None, 30) <= few


def test_queries_are_as_many_with_fifty_outcomes(alive, django_assert_max_num_queries):
    alice = world.make_account()
    counts = []
    for outcomes in (3, 50):
        market = world.make_market(outcomes=outcomes)
        open_market(alive, market)
        for outcome in range(outcomes):
            run(alive, sell(market, alice, 50, 100, outcome=outcome))
        projections.project_market(market.pk)
        counts.append(count_queries(django_assert_max_num_queries, market, alice, 40))
        page = see(market, alice)
        assert page.count('<option value="O') >= outcomes
    assert counts[0] == counts[1]
