import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts import policy
from accounts.models import Policy
from kernel.errors import ApiError
from tests.accounts.api import Api, assert_error
from tests.accounts.conftest import PASSWORD
from web import limits
from web.limits import Rate

pytestmark = pytest.mark.one_database

SLOW = Rate(0.001, 5)  # so slow that nothing comes back during a test


@pytest.fixture(params=["in process", "redis"])
def store(request, settings) -> str:
    settings.REDIS_URL = ""
    if request.param == "redis":
        settings.REDIS_URL = request.getfixturevalue("redis_server").url
    return request.param


def test_a_bucket_starts_full_and_then_returns_how_long_to_wait(store):
    assert [limits.take_sync(1, "read", SLOW) for _ in range(5)] == [None] * 5
    wait_seconds = limits.take_sync(1, "read", SLOW) or 0
    assert 999 < wait_seconds <= 1_000
    assert limits.count_remaining(1, "read", SLOW) == 0


def test_buckets_of_other_accounts_and_kinds_are_apart(store):
    for _ in range(5):
        limits.take_sync(1, "read", SLOW)
    assert limits.take_sync(2, "read", SLOW) is None
    assert limits.take_sync(1, "write", SLOW) is None


def test_costs_are_taken_whole_or_not_at_all(store):
    assert limits.take_sync(1, "write", SLOW, 4) is None
    assert limits.take_sync(1, "write", SLOW, 2) is not None
    assert limits.count_remaining(1, "write", SLOW) == 1
    assert limits.take_sync(1, "write", SLOW, 1) is None


def test_a_cost_above_the_burst_empties_the_bucket_but_is_possible(store):
    assert limits.take_sync(1, "write", SLOW, 100) is None
    assert limits.take_sync(1, "write", SLOW, 1) is not None


def test_tokens_come_back_at_the_rate(store):
    quick = Rate(1, 1)
    assert limits.take_sync(1, "read", quick) is None
    wait_seconds = limits.take_sync(1, "read", quick) or 0
    assert 0 < wait_seconds <= 1
    time.sleep(wait_seconds + 0.002)
    assert limits.take_sync(1, "read", quick) is None


async def test_the_takes_of_one_tick_travel_together_and_stay_exact(store, monkeypatch):
    answers = await asyncio.gather(*(limits.take(1, "read", SLOW) for _ in range(40)))
    assert answers.count(None) == 5
    if store == "redis":
        assert await limits._tick_batch()._client.info("commandstats")
        stats = await limits._tick_batch()._client.info("commandstats")
        assert stats["cmdstat_eval"]["calls"] == 1


def test_threads_and_processes_share_one_bucket_in_redis(store):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: limits.take_sync(1, "read", SLOW), range(40)))
    assert answers.count(None) == 5


def test_while_redis_is_away_limits_hold_per_process(settings, redis_server):
    settings.REDIS_URL = redis_server.url
    assert limits.take_sync(1, "read", SLOW) is None
    redis_server.kill()
    answers = [limits.take_sync(1, "read", SLOW) for _ in range(10)]
    assert answers.count(None) == 5


def test_a_process_forgets_full_buckets_before_it_runs_out_of_room(monkeypatch):
    monkeypatch.setattr(limits, "LOCAL_BUCKETS_MAX", 100)
    for subject in range(1_000):
        limits.take_sync(subject, "read", SLOW)
    assert len(limits._local._spent_until) <= 100


def ask_until_refused(ask, *, allowed_min):
    """Return the first 429: a token that comes back meanwhile on a slow machine allows one more."""
    for count in range(allowed_min + 10):
        response = ask()
        if response.status_code == 429:
            assert count >= allowed_min
            return response
        assert response.status_code == 200
    raise AssertionError("never refused")


def test_too_many_calls_are_answered_429_with_retry_after(alice, with_key):
    rates = Policy.objects.get().rate_limits
    rates["user"]["read"] = [1, 3]
    Policy.objects.update(rate_limits=rates)
    policy.forget()
    program = with_key(alice)
    assert program.get("limits").json()["read"] == {"per_second": 1, "burst": 3, "remaining": 2}
    response = ask_until_refused(lambda: program.get("me"), allowed_min=2)
    assert_error(response, 429, "too_many_requests")
    assert response["Retry-After"] == "1"
    assert program.post("keys", {}).status_code == 403  # the write bucket is another one


def test_callers_without_credentials_are_limited_by_address(api, db):
    rates = Policy.objects.get().rate_limits
    rates["anonymous"]["read"] = [1, 2]
    Policy.objects.update(rate_limits=rates)
    policy.forget()
    assert api.get("limits").json()["read"]["remaining"] == 1
    response = ask_until_refused(lambda: api.get("limits"), allowed_min=1)
    assert_error(response, 429, "too_many_requests")
    elsewhere = Api(Client(REMOTE_ADDR="10.0.0.9"))
    assert elsewhere.get("limits").status_code == 200


WRONG = {"email": "alice@example.org", "password": "wrong"}
NEW = {"email": "new@example.org", "handle": "new", "password": "short"}
RIGHT = {**WRONG, "password": PASSWORD}


def log_in_from(address, body):
    return Api(Client(REMOTE_ADDR=address)).post("auth/login", body)


def log_in_by_page(address, body):
    form = {"login": body["email"], "password": body["password"]}
    return Client(REMOTE_ADDR=address).post("/accounts/login/", form).status_code


def test_five_wrong_guesses_lock_out_the_guesser_and_not_the_owner(alice, settings):
    for _ in range(5):
        assert_error(log_in_from("10.0.0.1", WRONG), 401, "invalid_credentials")
    response = log_in_from("10.0.0.1", RIGHT)
    assert_error(response, 429, "too_many_requests")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert log_in_by_page("10.0.0.1", RIGHT) == 429
    assert log_in_from("10.0.0.2", RIGHT).status_code == 200
    assert log_in_by_page("10.0.0.2", RIGHT) == 302


def test_nor_do_they_on_the_page(alice):
    assert [log_in_by_page("10.0.0.1", WRONG) for _ in range(6)] == [200] * 5 + [429]
    assert log_in_by_page("10.0.0.2", RIGHT) == 302


def test_guessing_from_everywhere_is_bounded_and_the_owner_gets_in_from_where_they_were(
    alice, store, settings
):
    log_in = {**settings.ATTEMPT_LIMITS["log_in"], "account_elsewhere": (8, 3600)}
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "log_in": log_in}
    assert log_in_from("192.0.2.1", RIGHT).status_code == 200
    assert log_in_by_page("192.0.2.2", RIGHT) == 302
    for number in range(8):
        assert log_in_from(f"10.0.0.{number}", WRONG).status_code == 401
    assert log_in_from("10.0.0.99", RIGHT).status_code == 429
    assert log_in_by_page("10.0.0.99", RIGHT) == 429
    for address in ("192.0.2.1", "192.0.2.2"):
        assert log_in_from(address, RIGHT).status_code == 200
        assert log_in_by_page(address, RIGHT) == 302


def test_codes_of_a_second_factor_cannot_be_guessed(alice, settings):
    TOTP.activate(alice, generate_totp_secret())
    body = {**RIGHT, "totp": "000000"}
    codes = [log_in_from(f"10.0.0.{number}", body).json()["code"] for number in range(6)]
    assert codes == ["totp_invalid"] * 5 + ["too_many_requests"]


def test_a_password_is_not_guessed_in_a_browser_that_is_logged_in(alice):
    browser = Client()
    browser.force_login(alice)
    for _ in range(5):
        browser.post("/accounts/reauthenticate/", {"password": "wrong"})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert_error(Api(browser).post("keys", {"name": "k", "scopes": ["read"]}), 403, "log_in_again")


def test_the_64_of_an_ipv6_address_is_one_stranger(alice, settings):
    limits_ = {"address": (2, 60)}
    settings.ATTEMPT_LIMITS = {
        **settings.ATTEMPT_LIMITS, "log_in": limits_, "sign_up": limits_, "password_reset": limits_
    }  # fmt: skip
    tries = [
        lambda client: Api(client).post("auth/login", WRONG),
        lambda client: Api(client).post("auth/register", NEW),
        lambda client: client.post("/accounts/signup/", {"email": "x"}),
        lambda client: client.post("/accounts/password/reset/", {"email": "x@example.org"}),
    ]
    for attempt in tries:
        limits.reset()
        neighbours = [Client(REMOTE_ADDR=f"2001:db8:1:1::{number}") for number in range(3)]
        assert [attempt(client).status_code == 429 for client in neighbours] == [False, False, True]
        assert attempt(Client(REMOTE_ADDR="2001:db8:1:2::1")).status_code != 429
        mapped = [Client(REMOTE_ADDR=f"::ffff:10.0.0.{number}") for number in range(3)]
        assert 429 not in [attempt(client).status_code for client in mapped]


def test_so_it_is_in_what_strangers_read(db):
    rates = Policy.objects.get().rate_limits
    rates["anonymous"]["read"] = [1, 2]
    Policy.objects.update(rate_limits=rates)
    policy.forget()
    neighbours = (Api(Client(REMOTE_ADDR=f"2001:db8::{number}")) for number in range(20))
    ask_until_refused(lambda: next(neighbours).get("limits"), allowed_min=2)


def test_logging_in_well_is_not_limited_by_account(api, alice):
    body = {"email": "Alice@example.org", "password": PASSWORD}
    assert {api.post("auth/login", body).status_code for _ in range(12)} == {200}


def test_guessing_is_limited_by_address_whatever_the_account(api, db, settings):
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "log_in": {"address": (3, 60)}}
    for number in range(3):
        body = {"email": f"user{number}@example.org", "password": "wrong"}
        assert_error(api.post("auth/login", body), 401, "invalid_credentials")
    assert_error(api.post("auth/login", body), 429, "too_many_requests")


def test_sign_up_and_key_creation_are_limited(api, alice, log_in, settings):
    settings.ATTEMPT_LIMITS = {
        **settings.ATTEMPT_LIMITS,
        "sign_up": {"address": (1, 60)},
        "key_creation": {"account": (1, 60)},
    }
    body = {"email": "a@example.org", "password": "short", "handle": "aaa"}
    assert_error(api.post("auth/register", body), 400, "password_too_weak", "password")
    assert_error(api.post("auth/register", body), 429, "too_many_requests")
    program = log_in(alice)
    key = {"name": "bot", "scopes": ["read"]}
    assert program.post("keys", key).status_code == 201
    assert_error(program.post("keys", key), 429, "too_many_requests")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/login/", {"login": "alice@example.org", "password": "wrong"}),
        ("/accounts/password/reset/", {"email": "alice@example.org"}),
        ("/admin/login/", {"username": "alice@example.org", "password": "wrong"}),
        ("/accounts/signup/", {"email": "x"}),
    ],
)
def test_the_pages_that_try_something_are_limited_too(alice, client, settings, path, form):
    names = ("log_in", "sign_up", "password_reset")
    settings.ATTEMPT_LIMITS = {name: {"address": (2, 60)} for name in names}
    for _ in range(2):
        assert client.post(path, form).status_code in {200, 302}
    response = client.post(path, form)
    assert response.status_code == 429
    assert int(response["Retry-After"]) >= 1
    assert client.get(path).status_code in {200, 302}


async def test_async_attempts_are_counted_alike(store, settings):
    settings.ATTEMPT_LIMITS = {"log_in": {"address": (1, 60)}}
    await limits.acheck_attempt("log_in", address="10.0.0.1")
    with pytest.raises(ApiError) as refusal:
        await limits.acheck_attempt("log_in", address="10.0.0.1")
    assert refusal.value.status == 429
