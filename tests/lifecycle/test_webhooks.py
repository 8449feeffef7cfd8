"""Events reach a webhook's real receiver: signed, at least once, and never inside our network."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.actions import do_suspend_user
from accounts.models import Account
from kernel.errors import RefusedError
from markets.models import Market, Resolution, StatusOutbox
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD
from tests.exchange import ROOT
from tests.lifecycle.results import set_policy
from tests.markets.factories import make_group
from tests.trading import world
from tests.trading.world import buy, cancel, run, sell
from trading import actions, tasks
from trading.api import own_data
from trading.models import DeliveryState, Notification, Webhook, WebhookDelivery
from trading.notifications import webhook_sender, webhooks
from trading.notifications.sentences import describe
from trading.notifications.webhook_sender import ATTEMPTS_MAX, RETRY_SECONDS
from trading.readmodels import projections
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db

[VERIFIER] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL)
ALL = ["fill", "order_ended", "market_status", "settlement"]


class Receiver:
    """A server that keeps what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.location = ""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?of=mine"

    @property
    def events(self) -> list[tuple[str, dict]]:
        bodies = [json.loads(body) for _, body in self.requests]
        return [(body["type"], body["data"]) for body in bodies]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join(5)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_TRUSTED_HOSTS = ["127.0.0.1"]
    with receiving() as receiver:
        yield receiver


def register(account: Account, receiver: Receiver, *events: str) -> tuple[Webhook, str]:
    return actions.do_create_webhook(account.owner, url=receiver.url, events=events or ALL)


def let_time_come() -> None:
    WebhookDelivery.objects.update(next_at=timezone.now())


def test_own_fills_and_ended_orders_arrive_signed_once(shard, market, alice, bob, receiver):
    _, secret = register(alice, receiver)
    StatusOutbox.objects.all().delete()
    asked, _ = run(shard, sell(market, alice, 60, 1_000), buy(market, bob, 60, 400))
    projections.project_market(market.pk)
    tasks.send_webhooks()
    run(shard, cancel(market, alice, asked.order.order_id))
    for _ in range(2):
        projections.project_market(market.pk)
        tasks.send_webhooks()
    (fill_type, fill), (end_type, ended) = receiver.events
    assert (fill_type, fill["order_id"], fill["side"]) == ("fill", asked.order.order_id, "sell")
    assert (fill["quantity"], fill["price"], fill["role"]) == ("4.00", "0.6000", "maker")
    assert (fill["market"], fill["subaccount"]) == (market.slug, 0)
    assert (end_type, ended["id"], ended["status"]) == (
        "order_ended",
        fill["order_id"],
        "cancelled",
    )
    names: dict = {}
    exec(VERIFIER, names)  # noqa: S102 - the document's own example
    for headers, body in receiver.requests:
        assert names["is_genuine"](secret, headers, body)
        assert not names["is_genuine"](secret, headers, body.replace(b"0.6000", b"0.7000") + b" ")
        assert not names["is_genuine"](f"{secret}x", headers, body)
        late = {**headers, "X-Predex-Timestamp": "1750000000"}
        assert not names["is_genuine"](secret, late, body)
        assert headers["X-Predex-Delivery"] == json.loads(body)["id"]
    assert not WebhookDelivery.objects.exclude(state=DeliveryState.DELIVERED).exists()


def test_a_taker_with_a_filled_order_hears_of_both_and_a_stranger_of_nothing(
    shard, market, alice, bob, receiver
):
    StatusOutbox.objects.all().delete()
    register(bob, receiver, "fill", "order_ended")
    run(shard, sell(market, alice, 60, 1_000), buy(market, bob, 60, 400))
    projections.project_market(market.pk)
    assert {row.event for row in WebhookDelivery.objects.all()} == {"fill", "order_ended"}
    tasks.send_webhooks()
    bought = {kind for kind, data in receiver.events if data["side"] == "buy"}
    assert bought == {"fill", "order_ended"}  # they may overtake one another


def test_statuses_and_settlements_are_sent_to_whom_they_concern(
    shard, draft, alice, bob, operator, receiver
):
    register(alice, receiver)
    with receiving() as other:
        register(bob, other, "settlement")
        actions.do_open_market(draft, by=operator)
        market = Market.objects.get(pk=draft.pk)
        run(shard, sell(market, alice, 60, 1_000), buy(market, alice, 50, 100))
        actions.do_halt_market(market, by=operator, reason="a look")
        actions.do_resume_market(market, by=operator)
        actions.do_close_market(market, by=operator)
        payout = {"payout_pips": [10_000, 0], "evidence_text": "seen"}
        actions.do_resolve_market(market, by=operator, **payout)
        Resolution.objects.update(final_at=timezone.now())
        assert settle_market(market.pk)
        tasks.send_webhooks()
        tasks.send_webhooks()
        assert other.events == []
    told = [data for kind, data in receiver.events if kind == "market_status"]
    told.sort(key=lambda data: data["created_at"])  # they may overtake one another
    statuses = [data["to_status"] for data in told]
    assert statuses == ["open", "halted", "open", "closed", "resolving", "settled"]
    assert not StatusOutbox.objects.exists()


def test_a_settlement_says_what_was_paid(shard, market, alice, bob, operator, receiver):
    register(alice, receiver, "settlement")
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    Resolution.objects.update(final_at=timezone.now())
    assert settle_market(market.pk)
    tasks.send_webhooks()
    [(kind, data)] = receiver.events
    assert (kind, data["market"], data["status"]) == ("settlement", market.slug, "settled")
    assert (data["payout"], data["net_paid"]) == ("10.000000", "6.000000")
    assert data["payouts"] == {"YES": "1.0000", "NO": "0.0000"}


def test_a_correction_is_sent_to_whom_it_moved(shard, alice, bob, operator, receiver):
    set_policy(two_person_rule=False)
    market = world.make_market(dispute_seconds=0, outcomes=3)
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1_000), buy(market, alice, 60, 1_000))
    actions.do_close_market(market, by=operator)
    first, second, third = ([10_000 * (index == won) for index in range(3)] for won in range(3))
    actions.do_resolve_market(market, by=operator, payout_pips=first, evidence_text="seen")
    assert settle_market(market.pk)
    tasks.send_webhooks()
    register(alice, receiver, "settlement")
    for payout_pips in (second, third):  # nothing of the third is different for anybody
        market.refresh_from_db()
        actions.do_correct_result(
            market, by=operator, payout_pips=payout_pips, evidence_text="it rained"
        )
        assert correct_market(market.pk)
        tasks.send_webhooks()
    [(_, data)] = receiver.events
    assert (data["status"], data["moved"]) == ("settled", "-10.000000")


def test_what_strangers_registered_makes_a_fold_no_larger(
    shard, market, alice, bob, receiver, django_assert_max_num_queries
):
    register(alice, receiver)
    projections.project_market(market.pk)
    asked = []
    for _ in range(2):
        run(shard, sell(market, alice, 60, 100), buy(market, bob, 60, 100))
        with django_assert_max_num_queries(30) as captured:
            projections.project_market(market.pk)
        asked.append([len(query["sql"]) for query in captured.captured_queries])
        for _ in range(20):
            register(world.make_account(), receiver)
    assert {row.webhook.user for row in WebhookDelivery.objects.all()} == {alice.owner}
    grown = [after - before for before, after in zip(*asked, strict=True)]
    assert max(grown) < 20  # characters of SQL


def test_a_market_that_may_not_be_seen_is_not_told_of(shard, alice, bob, operator, receiver):
    register(alice, receiver)
    register(bob, receiver)
    group, inside = make_group(bob.owner), world.make_market()
    Market.objects.filter(pk=inside.pk).update(visibility="group", group=group)
    actions.do_open_market(Market.objects.get(pk=inside.pk), by=operator)
    tasks.send_webhooks()
    assert [data["to_status"] for _, data in receiver.events] == ["open"]
    assert WebhookDelivery.objects.get().webhook.user == bob.owner


def test_what_fails_is_sent_again_with_backoff_until_it_is_switched_off(alice, receiver):
    hook, _ = register(alice, receiver)
    receiver.status = 500
    first = actions.do_ping_webhook(hook)
    tasks.send_webhooks()
    tasks.send_webhooks()  # not yet
    first.refresh_from_db()
    assert (first.attempts, first.last_status, first.state) == (1, 500, DeliveryState.DUE)
    assert 5 < (first.next_at - timezone.now()).total_seconds() <= RETRY_SECONDS[0]
    for attempt in range(2, ATTEMPTS_MAX + 1):
        assert Webhook.objects.live().exists(), attempt
        let_time_come()
        tasks.send_webhooks()
    first.refresh_from_db()
    assert (first.attempts, first.state) == (ATTEMPTS_MAX, DeliveryState.FAILED)
    assert len({body for _, body in receiver.requests}) == 1
    assert len(receiver.requests) == ATTEMPTS_MAX
    hook.refresh_from_db()
    assert hook.switched_off_at is not None
    [told] = [describe(row) for row in Notification.objects.filter(user=alice.owner)]
    assert (told.title.startswith("A webhook was switched off"), told.detail) == (True, hook.url)
    assert told.url == f"/account/webhooks/{hook.pk}/"
    with pytest.raises(RefusedError, match="switched off"):
        actions.do_redeliver(first)
    receiver.status = 200
    actions.do_change_webhook(hook, by=alice.owner, is_on=True)
    actions.do_redeliver(WebhookDelivery.objects.get())
    tasks.send_webhooks()
    first.refresh_from_db()
    assert (first.state, first.last_status) == (DeliveryState.DELIVERED, 200)


def test_a_success_in_between_keeps_it_on(alice, receiver):
    hook, _ = register(alice, receiver)
    receiver.status = 500
    dying = actions.do_ping_webhook(hook)
    for _ in range(ATTEMPTS_MAX - 1):
        let_time_come()
        tasks.send_webhooks()
    receiver.status = 200
    WebhookDelivery.objects.update(next_at=timezone.now() + timedelta(hours=1))
    actions.do_ping_webhook(hook)
    tasks.send_webhooks()
    receiver.status = 500
    let_time_come()
    tasks.send_webhooks()
    dying.refresh_from_db()
    assert dying.state == DeliveryState.FAILED
    assert Webhook.objects.live().exists()


def test_one_that_died_while_sending_is_followed_by_another_attempt(alice, receiver, monkeypatch):
    hook, _ = register(alice, receiver)
    actions.do_ping_webhook(hook)

    def die(*_):
        raise SystemExit

    monkeypatch.setattr(webhook_sender, "_record", die)
    with pytest.raises(SystemExit):
        tasks.send_webhooks()
    monkeypatch.undo()
    tasks.send_webhooks()
    assert len(receiver.requests) == 1
    let_time_come()
    tasks.send_webhooks()
    assert len(receiver.requests) == 2
    assert WebhookDelivery.objects.get().state == DeliveryState.DELIVERED


def test_no_redirect_is_followed_and_no_answer_is_awaited_for_long(
    alice, receiver, monkeypatch, settings
):
    hook, _ = register(alice, receiver)
    receiver.status, receiver.location = 302, "http://127.0.0.1:9/inside"
    actions.do_ping_webhook(hook)
    tasks.send_webhooks()
    assert WebhookDelivery.objects.get().last_status == 302
    assert len(receiver.requests) == 1
    monkeypatch.setattr(webhook_sender, "ATTEMPT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        Webhook.objects.update(url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        let_time_come()
        tasks.send_webhooks()
    silent_one = WebhookDelivery.objects.get()
    assert (silent_one.last_status, silent_one.attempts) == (None, 2)
    assert "127.0.0.1" in silent_one.last_error


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://10.0.0.1/x", "https://[::1]/", "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/", "http://example.org/", "ftp://example.org/",
        "https://u:p@example.org/", "example.org", "https://a b/", "https://localhost/",
        "https://LOCALHOST.:8443/", "https://a.localhost/", "https://127.1/", "https://0x7f000001/",
    ],
)  # fmt: skip
def test_addresses_in_private_networks_are_refused_when_they_are_registered(alice, url):
    with pytest.raises(RefusedError) as refusal:
        actions.do_create_webhook(alice.owner, url=url, events=ALL)
    assert refusal.value.code == "bad_webhook_url"


def test_a_name_that_leads_inside_is_never_sent_to(alice, monkeypatch):
    def lead_inside(host, port, *, type=0, flags=0):
        if flags & socket.AI_NUMERICHOST:
            raise OSError("a name")
        return [(socket.AF_INET, type, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr("web.outbound.socket.getaddrinfo", lead_inside)
    hook, _ = actions.do_create_webhook(alice.owner, url="https://inside.example/", events=ALL)
    actions.do_ping_webhook(hook)
    tasks.send_webhooks()
    assert "public internet" in WebhookDelivery.objects.get().last_error


def test_nothing_is_sent_to_a_stopped_user_or_recorded_while_it_is_off(
    shard, market, alice, bob, operator, receiver
):
    hook, _ = register(alice, receiver, "fill")
    actions.do_change_webhook(hook, by=alice.owner, is_on=False)
    run(shard, sell(market, alice, 60, 1_000), buy(market, bob, 60, 400))
    projections.project_market(market.pk)
    assert not WebhookDelivery.objects.exists()
    actions.do_change_webhook(hook, by=alice.owner, is_on=True)
    actions.do_ping_webhook(hook)
    do_suspend_user(alice.owner, by=operator, reason="test")
    tasks.send_webhooks()
    assert receiver.events == []


def test_old_deliveries_are_forgotten_and_due_ones_kept(alice, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "KEPT_MAX", 2)
    hook, _ = register(alice, receiver)
    for _ in range(4):
        actions.do_ping_webhook(hook)
    tasks.send_webhooks()
    due = actions.do_ping_webhook(hook)
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=1))
    tasks.forget_notifications()
    assert WebhookDelivery.objects.count() == 3
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    tasks.forget_notifications()
    assert [row.pk for row in WebhookDelivery.objects.all()] == [due.pk]


def test_the_export_has_them_and_a_user_who_leaves_takes_them_along(alice, receiver):
    register(alice, receiver)
    [row] = own_data.list_webhooks(alice.owner_id)
    assert row["url"] == receiver.url
    own_data.forget_user(alice.owner_id)
    assert not Webhook.objects.exists()


# --- over the API and on the page ----------------------------------------------------------------


@pytest.fixture
def program(alice, client) -> Api:
    alice.owner.set_password(PASSWORD)
    alice.owner.save()
    login = {"email": alice.owner.email, "password": PASSWORD}
    return Api(client, bearer=Api(client).post("auth/login", login).json()["access"])


def test_the_api_registers_lists_changes_sends_again_and_deletes(program, receiver, bob):
    made = program.post("webhooks", {"url": receiver.url, "events": ["fill"]}).json()
    assert made["secret"].startswith("whsec_")
    path = f"webhooks/{made['id']}"
    shown = program.get(path).json()
    assert "secret" not in shown
    assert program.get("webhooks").json()["results"] == [shown]
    changed = program.patch(path, {"events": ["settlement"], "is_on": True}).json()
    assert (changed["events"], changed["is_on"]) == (["settlement"], True)
    ping = program.post(f"{path}/ping").json()
    assert (ping["event"], ping["state"], ping["attempts"]) == ("ping", "due", 0)
    tasks.send_webhooks()
    [sent] = program.get(f"{path}/deliveries?state=delivered").json()["results"]
    assert (sent["id"], sent["last_status"], sent["next_at"]) == (ping["id"], 204, None)
    assert program.get(f"{path}/deliveries?state=due").json()["results"] == []
    again = program.post(f"{path}/deliveries/{ping['id']}/redeliver").json()
    assert (again["id"], again["state"]) == (ping["id"], "due")
    tasks.send_webhooks()
    assert len(receiver.requests) == 2
    assert program.delete(path).status_code == 204
    assert_error(program.get(path), 404, "not_found")
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"url": "https://10.0.0.1/", "events": ["fill"]}, 422, "bad_webhook_url", "url"),
        ({"url": "https://a.example", "events": []}, 400, "blank", "events"),
        ({"url": "https://a.example", "events": ["ping"]}, 400, "invalid_choice", "events.0"),
        ({"url": "https://a.example"}, 400, "missing_field", "events"),
        ({"events": ["fill"]}, 400, "missing_field", "url"),
    ],
)
def test_a_malformed_webhook_is_refused(program, body, status, code, field):
    assert_error(program.post("webhooks", body), status, code, field)


def test_webhooks_are_bounded_and_only_their_owners(program, bob, monkeypatch, receiver):
    foreign, _ = register(bob, receiver)
    delivery = actions.do_ping_webhook(foreign)
    assert_error(program.get(f"webhooks/{foreign.pk.hex}"), 404, "not_found")
    assert_error(program.get(f"webhooks/{foreign.pk.hex}/deliveries"), 404, "not_found")
    again = f"webhooks/{foreign.pk.hex}/deliveries/{delivery.pk.hex}/redeliver"
    assert_error(program.post(again), 404, "not_found")
    monkeypatch.setattr("trading.actions.webhooks.WEBHOOKS_MAX", 1)
    assert program.post("webhooks", {"url": receiver.url, "events": ALL}).status_code == 201
    body = {"url": receiver.url, "events": ALL}
    assert_error(program.post("webhooks", body), 422, "too_many_webhooks")


def test_the_page_registers_shows_the_log_and_sends_again(client, alice, receiver):
    alice.owner.set_password(PASSWORD)
    alice.owner.save()
    client.post("/accounts/login/", {"login": alice.owner.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = "/account/webhooks/"
    refused = client.post(page, {"url": "https://10.0.0.1/", "events": ["fill"]})
    assert refused.status_code == 422
    assert "public internet" in refused.content.decode()
    asked = client.get(page).content.decode()
    assert 'href="/docs/webhooks.md"' in asked
    assert "# Webhooks" in client.get("/docs/webhooks.md").content.decode()
    made = client.post(page, {"url": receiver.url, "events": ["settlement", "fill", "order_ended"]})
    assert made.status_code == 201
    hook = Webhook.objects.get()
    assert webhooks.derive_secret(hook) in made.content.decode()
    assert webhooks.derive_secret(hook) not in client.get(page).content.decode()
    own = f"{page}{hook.pk}/"
    empty = client.get(own).content.decode()
    assert "Nothing has been sent yet." in empty
    assert "A fill of an order of yours · The end of an order of yours · A settlement" in empty
    client.post(f"{own}change/", {"act": "ping"})
    tasks.send_webhooks()
    shown = client.get(own).content.decode()
    assert "A test" in shown
    assert "delivered" in shown
    client.post(f"{own}{WebhookDelivery.objects.get().pk}/redeliver/")
    assert "due" in client.get(own).content.decode()
    client.post(f"{own}change/", {"act": "off"})
    assert "switched off" in client.get(own).content.decode()
    client.post(f"{own}change/", {"act": "delete"})
    assert not Webhook.objects.exists()
    assert client.get(own).status_code == 404


def test_rebuilding_what_is_derived_sends_nothing_again(shard, market, alice, bob, receiver):
    register(alice, receiver, "fill")
    run(shard, sell(market, alice, 60, 1_000), buy(market, bob, 60, 400))
    projections.project_market(market.pk)
    call_command("rebuild")
    assert WebhookDelivery.objects.count() == 1
