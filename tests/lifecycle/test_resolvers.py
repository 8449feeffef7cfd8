"""Markets that resolve by themselves: as what was read says, and never by a guess."""

import gzip
import hashlib
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from markets import actions as drafts
from markets.models import AutomaticResolver, Market, Resolution, Series
from tests.lifecycle.results import end_window, refuse, set_policy
from tests.trading import world
from trading import actions, tasks
from trading.actions.readings import NotReadableError, find_at, parse_number
from trading.models import Notification
from trading.notifications import notify
from trading.notifications.sentences import describe

pytestmark = pytest.mark.django_db


@contextmanager
def serving(documents):
    """Answer each path with its document; None is a 404, bytes are sent as they are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = documents.get(self.path)
            if callable(found):
                found = found()
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def trusting(settings):
    settings.RESOLVER_TRUSTED_HOSTS = ["127.0.0.1"]


def threshold(url, **fields):
    return {
        "kind": "threshold", "url": url, "value_path": "data.price", "threshold": "100",
        "patience_seconds": 0, **fields,
    }  # fmt: skip


def close(market, operator, **fields):
    """Close a market whose time has come."""
    actions.do_close_market(market, by=operator)
    past = timezone.now() - timedelta(seconds=1)
    Market.objects.filter(pk=market.pk).update(**{"close_at": past, **fields})


def resolver_of(market):
    return AutomaticResolver.objects.get(market=market)


def result_of(market):
    return Resolution.objects.filter(market=market, withdrawn_at=None).first()


@pytest.mark.parametrize(
    ("value", "comparison", "pays"),
    [
        (100, "ge", [10_000, 0]), (100, "gt", [0, 10_000]), ("100.0000000001", "gt", [10_000, 0]),
        (100, "le", [10_000, 0]), (99.99, "lt", [10_000, 0]), (100, "lt", [0, 10_000]),
    ],
)  # fmt: skip
def test_a_value_decides_as_it_compares(shard, market, operator, value, comparison, pays):
    with serving({"/p": {"data": {"price": value}}}) as site:
        fields = threshold(f"{site}/p", comparison=comparison)
        actions.do_set_resolver(market, by=operator, fields=fields)
        tasks.resolve_due()
        assert result_of(market) is None, "it is not closed yet"
        close(market, operator)
        tasks.resolve_due()
        tasks.resolve_due()
    result = result_of(market)
    assert result.payout_pips == pays
    assert (result.proposed_by, result.evidence_url) == (operator, f"{site}/p")
    body = json.dumps({"data": {"price": value}}).encode()
    assert result.reading["sha256"] == hashlib.sha256(body).hexdigest()
    assert result.reading["value"] == str(value)
    assert resolver_of(market).state == "proposed"
    end_window(market)
    tasks.settle_due()
    market.refresh_from_db()
    assert market.status == "settled"


@pytest.mark.parametrize(
    "document",
    [
        None, {}, {"data": {"price": None}}, {"data": {"price": True}}, {"data": {"price": "1e9x"}},
        {"data": {"price": "NaN"}}, {"data": {"price": [1]}}, b"{", b"\xff",
        b'{"data":{"price":NaN}}',
        b"[" * 100_000, b'{"data":{"price":' + b"9" * 70 + b"}}", b" " * 300_000,
    ],
)  # fmt: skip
def test_what_is_missing_or_unreadable_waits_for_a_person(shard, market, operator, document):
    with serving({"/p": document}) as site:
        actions.do_set_resolver(market, by=operator, fields=threshold(f"{site}/p"))
        close(market, operator)
        tasks.resolve_due()
    resolver = resolver_of(market)
    assert (resolver.state, result_of(market)) == ("person", None)
    assert resolver.because
    notify.notify_due()
    notify.notify_due()
    [row] = Notification.objects.filter(user=operator)
    assert describe(row).title == "A market waits for a person to decide its result"
    actions.do_resolve_market(market, by=operator, payout_pips=[0, 10_000], evidence_text="seen")


def test_a_server_that_fails_is_asked_again_with_growing_pauses(shard, market, operator):
    answers = [None, None, {"data": {"price": 101}}]
    with serving({"/p": lambda: answers.pop(0)}) as site:
        fields = threshold(f"{site}/p", patience_seconds=3_600)
        actions.do_set_resolver(market, by=operator, fields=fields)
        close(market, operator)
        pauses = []
        for _ in range(3):
            before = timezone.now()
            tasks.resolve_due()
            tasks.resolve_due()
            pauses.append((resolver_of(market).next_at - before).total_seconds())
            AutomaticResolver.objects.update(next_at=None)
    assert not answers
    assert [round(pause) for pause in pauses] == [5, 10, 20]
    assert result_of(market).payout_pips == [10_000, 0]


def test_the_values_own_time_must_be_the_one_that_decides(shard, operator):
    closed_at = timezone.now() - timedelta(seconds=30)
    cases = {-1: "waiting", 0: "proposed", 20: "proposed", 61: "person"}
    documents = {
        f"/{seconds}": {
            "data": {"price": 1},
            "at": (closed_at + timedelta(seconds=seconds)).isoformat(),
        }
        for seconds in cases
    }
    with serving(documents) as site:
        for seconds, state in cases.items():
            market = world.make_market()
            actions.do_open_market(market, by=operator)
            url = f"{site}/{seconds}"
            fields = threshold(url, time_path="at", patience_seconds=60)
            actions.do_set_resolver(market, by=operator, fields=fields)
            close(market, operator, close_at=closed_at)
            tasks.resolve_due()
            assert resolver_of(market).state == state, seconds


@pytest.mark.one_database
def test_recorded_markets_resolve_as_officially_recorded_or_wait_for_a_person(
    shard, operator, data_dir
):
    ticks = dict(read_ticks(data_dir / "polymarket_btc5m"))
    recorded = read_markets(data_dir / "polymarket_btc5m")
    documents = {
        f"/{row['slug']}": {
            "strike": row["strike_value"] and f"{row['strike_value']}e-18",
            "price": ticks.get(row["end_sec"]),
        }
        for row in recorded
    }  # fmt: skip
    markets = {}
    with serving(documents) as site:
        for row in recorded:
            market = world.make_market(dispute_seconds=0)
            AutomaticResolver.objects.create(
                market=market, kind="threshold", url=f"{site}/{row['slug']}", value_path="price",
                threshold_path="strike", comparison="ge", patience_seconds=0, set_by=operator,
            )  # fmt: skip
            markets[row["slug"]] = market
        past = timezone.now() - timedelta(seconds=1)
        Market.objects.update(status="closed", close_at=past)
        while actions.list_due_resolvers(timezone.now()):
            tasks.resolve_due()
    counts = {"proposed": 0, "person": 0}
    for row in recorded:
        market = markets[row["slug"]]
        is_complete = bool(row["strike_value"]) and row["end_sec"] in ticks
        state = resolver_of(market).state
        counts[state] += 1
        assert state == ("proposed" if is_complete else "person"), row["slug"]
        if is_complete:
            official = [int(price) * 10_000 for price in row["outcome_prices"]]
            assert result_of(market).payout_pips == official, row["slug"]
    assert sum(counts.values()) == len(recorded) == 146
    assert counts["proposed"] > 100
    assert counts["person"] >= 12


def read_ticks(folder: Path):
    with gzip.open(folder / "BTCUSD-prices-2026-07-24.csv.gz", "rt") as lines:
        next(lines)
        for line in lines:
            milliseconds, value, *_ = line.split(",")
            if milliseconds.endswith("000"):
                yield int(milliseconds) // 1_000, value


def read_markets(folder: Path):
    with gzip.open(folder / "BTC-5m-markets-2026-07-24_first146.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def test_another_markets_result_decides(shard, operator):
    source, market, other = (world.make_market(dispute_seconds=0) for _ in range(3))
    for each in (source, market, other):
        actions.do_open_market(each, by=operator)
    fields = {"kind": "market", "source": source, "patience_seconds": 3_600}
    actions.do_set_resolver(market, by=operator, fields=fields)
    actions.do_set_resolver(other, by=operator, fields=fields)
    close(market, operator)
    tasks.resolve_due()
    assert resolver_of(market).state == "waiting"
    close(source, operator)
    actions.do_resolve_market(source, by=operator, payout_pips=[2_500, 7_500], evidence_text="x")
    tasks.settle_due()
    AutomaticResolver.objects.update(next_at=None)
    tasks.resolve_due()
    assert result_of(market).payout_pips == [2_500, 7_500]
    Market.objects.filter(pk=source.pk).update(status="voided")
    close(other, operator)
    tasks.resolve_due()
    assert resolver_of(other).state == "person"


def test_a_deciding_market_has_the_same_outcomes_and_is_another_one(shard, market, operator):
    three = world.make_market(outcomes=3)
    for source in (market, three, None):
        fields = {"kind": "market", "source": source}
        refuse("source_unfit", actions.do_set_resolver, market, by=operator, fields=fields)
    fields = threshold("https://example.org/")
    refuse("market_not_binary", actions.do_set_resolver, three, by=operator, fields=fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://example.org/"}, "bad_source_url"),
        ({"url": "https://user@example.org/"}, "bad_source_url"),
        ({"url": "file:///etc/passwd"}, "bad_source_url"),
        ({"url": "https://"}, "bad_source_url"),
        ({"value_path": ""}, "blank"),
        ({"threshold": ""}, "threshold_unclear"),
        ({"threshold_path": "x"}, "threshold_unclear"),
        ({"threshold": "inf"}, "not_a_number"),
        ({"patience_seconds": 10**9}, "bad_patience"),
    ],
)
def test_a_resolver_that_could_not_work_is_refused(shard, market, operator, fields, code):
    given = threshold("https://example.org/") | fields
    refuse(code, actions.do_set_resolver, market, by=operator, fields=given)


def test_where_two_persons_are_asked_for_a_second_one_approves_result_or_resolver(
    shard, operator, colleague, alice
):
    set_policy(two_person_rule=True)
    with serving({"/p": {"data": {"price": 101}}}) as site:
        for is_approved in (False, True):
            market = world.make_market(dispute_seconds=0)
            actions.do_open_market(market, by=operator)
            fields = threshold(f"{site}/p")
            refuse(
                "not_an_operator", actions.do_set_resolver, market, by=alice.owner, fields=fields
            )
            actions.do_set_resolver(market, by=operator, fields=fields)
            refuse("second_person_needed", actions.do_approve_resolver, market, by=operator)
            if is_approved:
                actions.do_approve_resolver(market, by=colleague)
            close(market, operator)
            tasks.resolve_due()
            tasks.settle_due()
            market.refresh_from_db()
            assert market.status == ("settled" if is_approved else "resolving")


def test_an_operator_who_lost_the_right_resolves_nothing(shard, market, operator, colleague):
    with serving({"/p": {"data": {"price": 101}}}) as site:
        actions.do_set_resolver(market, by=operator, fields=threshold(f"{site}/p"))
        close(market, operator)
        User.objects.filter(pk=operator.pk).update(is_superuser=False)
        tasks.resolve_due()
    assert (resolver_of(market).state, result_of(market)) == ("person", None)


def test_an_upheld_dispute_leaves_the_market_to_people(shard, market, operator, colleague):
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    with serving({"/p": {"data": {"price": 101}}}) as site:
        actions.do_set_resolver(market, by=operator, fields=threshold(f"{site}/p"))
        close(market, operator)
        tasks.resolve_due()
        actions.do_withdraw_result(market, by=colleague, reason="the feed was wrong")
        tasks.resolve_due()
    assert result_of(market) is None


def test_the_markets_of_a_series_resolve_by_themselves(shard, operator):
    start = timezone.now().replace(second=0, microsecond=0)
    template = world.make_market(title="Up from {start_unix}?", dispute_seconds=0)
    series = Series.objects.create(slug="up", title="Up")
    with serving({f"/{int(start.timestamp())}": {"data": {"price": 101}}}) as site:
        fields = threshold(f"{site}/{{start_unix}}")
        actions.do_set_resolver(template, by=operator, fields=fields)
        schedule = drafts.do_create_schedule(
            by=operator, series=series, template=template, interval_seconds=900,
            first_start_at=start,
        )  # fmt: skip
        tasks.make_scheduled()
        tasks.open_due()
        market = schedule.made.get().market
        past = timezone.now() - timedelta(seconds=1)
        Market.objects.filter(pk=market.pk).update(close_at=past, open_at=None)
        tasks.close_due()
        Market.objects.filter(pk=market.pk).update(close_at=past)
        tasks.resolve_due()
        tasks.settle_due()
    market.refresh_from_db()
    assert market.status == "settled"
    assert [outcome.payout_pips for outcome in market.outcomes.all()] == [10_000, 0]
    assert resolver_of(template).state == "waiting"


def test_numbers_are_exact_and_paths_lead_into_lists():
    document = {"a": [{"b": "0.1"}, {"b": 0}]}
    assert parse_number(find_at(document, "a.0.b")) * 3 == parse_number("0.3")
    for path in ("a.2.b", "a.-1.b", "a.b", "", "c"):
        with pytest.raises(NotReadableError):
            find_at(document, path)


def test_a_resolver_is_set_approved_shown_and_removed_in_the_admin_and_over_the_api(
    shard, market, operator, colleague
):
    sites = [Client(), Client()]
    for site, user in zip(sites, (operator, colleague), strict=True):
        site.force_login(user, backend="accounts.backends.Backend")
    site, second = sites
    url = f"/admin/markets/market/{market.pk}/do"
    assert site.get(f"{url}/set-resolver/").status_code == 200
    sent = {
        "kind": "threshold", "url": "https://example.org/p", "value_path": "price",
        "comparison": "gt", "threshold": "100", "delay_seconds": "0", "patience_seconds": "1h",
    }  # fmt: skip
    assert site.post(f"{url}/set-resolver/", sent).status_code == 302
    assert second.post(f"{url}/approve-resolver/", {}).status_code == 302
    shown = Client().get(f"/api/v1/markets/{market.slug}").json()["automatic_resolver"]
    assert (shown["threshold"], shown["approved_by"]) == ("100", colleague.handle)
    assert "https://example.org/p is above 100" in Client().get(f"/markets/{market.slug}/").text
    assert site.post(f"{url}/remove-resolver/", {"reason": "x"}).status_code == 302
    api = f"/api/v1/markets/{market.slug}/resolver"
    body = {"kind": "threshold", "url": "https://example.org/", "value_path": "x", "threshold": "1"}
    put = site.put(api, body, content_type="application/json")
    assert put.status_code == 200, put.json()
    assert second.post(f"{api}/approve", {}, content_type="application/json").status_code == 200
    assert site.delete(api).json()["automatic_resolver"] is None
    assert site.delete(api).json()["code"] == "no_resolver"


def test_unix_times_are_read_in_seconds_and_milliseconds(shard, operator):
    closed_at = datetime(2026, 7, 24, tzinfo=UTC)
    seconds = int(closed_at.timestamp())
    documents = {
        f"/{number}": {"data": {"price": 1}, "at": at}
        for number, at in enumerate((seconds, seconds * 1_000 + 5, seconds + 0.5))
    }
    with serving(documents) as site:
        for number in range(3):
            market = world.make_market()
            actions.do_open_market(market, by=operator)
            fields = threshold(f"{site}/{number}", time_path="at", patience_seconds=60)
            actions.do_set_resolver(market, by=operator, fields=fields)
            close(market, operator, close_at=closed_at)
            tasks.resolve_due()
            assert resolver_of(market).state == "proposed"
