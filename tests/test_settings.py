"""The project refuses to start on settings that would be unsafe, and says what to set."""

import runpy
import subprocess
import sys
from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from predex.checks import SECRETS, compute_faults, refuse_unsafe
from predex.stores import configure_database
from tests.exchange import ROOT, program_environment

SAFE: dict[str, Any] = {
    "DEBUG": False,
    **{name: f"{name}-0123456789-0123456789-0123456789" for name in SECRETS},
    "METRICS_TOKEN": "",
    "ALLOWED_HOSTS": ["predict.example.org"],
    "CORS_ALLOWED_ORIGINS": [],
    "TRUSTED_PROXIES": [],
    "SITE_URL": "https://predict.example.org",
    "ALLOW_PLAIN_HTTP": False,
    "SIMULATOR": False,
    "ALLOW_SIMULATOR": False,
    "EMBEDDED": False,
}


def test_safe_settings_have_no_fault():
    assert compute_faults(SAFE) == []


def test_the_simulator_is_refused_where_nobody_said_that_the_site_is_for_it():
    bench = {**SAFE, "SIMULATOR": True, "EMBEDDED": True}
    [fault] = compute_faults(bench)
    assert "ALLOW_SIMULATOR=true" in fault
    assert compute_faults({**bench, "ALLOW_SIMULATOR": True}) == []
    assert compute_faults({**bench, "DEBUG": True}) == []
    for debug in (True, False):
        [fault] = compute_faults({**bench, "EMBEDDED": False, "DEBUG": debug})
        assert "REDIS_URL" in fault


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("secret", ["", "short", "insecure-" * 6])
def test_each_secret_must_be_set_long_and_not_the_debug_one(name, secret):
    faults = compute_faults({**SAFE, name: secret})
    assert len(faults) == 1
    assert faults[0].startswith(f"set {name} ")


def test_one_secret_may_not_serve_two_purposes():
    faults = compute_faults({**SAFE, "API_KEY_PEPPER": SAFE["SECRET_KEY"]})
    assert len(faults) == 1
    assert "different values" in faults[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_TOKEN", "short"),
        ("ALLOWED_HOSTS", []),
        ("ALLOWED_HOSTS", ["*"]),
        ("CORS_ALLOWED_ORIGINS", ["*"]),
        ("TRUSTED_PROXIES", ["*"]),
        ("TRUSTED_PROXIES", ["10.0.0.1", "0.0.0.0/0"]),
        ("TRUSTED_PROXIES", ["::/0"]),
        ("SITE_URL", "http://predict.example.org"),
        ("SITE_URL", "predict.example.org"),
    ],
)
def test_an_unsafe_setting_is_named_in_one_sentence(name, value):
    faults = compute_faults({**SAFE, name: value})
    assert len(faults) == 1
    assert faults[0].startswith(f"set {name} ")
    assert faults[0].endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"SITE_URL": "http://127.0.0.1:8000"},
        {"SITE_URL": "http://10.0.0.7", "ALLOW_PLAIN_HTTP": True},
        {"DEBUG": True, "SECRET_KEY": "", "ALLOWED_HOSTS": ["*"]},
    ],
)
def test_harmless_settings_are_allowed(changes):
    assert compute_faults({**SAFE, **changes}) == []


def test_refuse_unsafe_raises_the_first_sentence():
    with pytest.raises(ImproperlyConfigured, match=r"^set SECRET_KEY "):
        refuse_unsafe({**SAFE, "SECRET_KEY": ""})


def test_the_program_does_not_start_without_its_secrets(tmp_path):
    environment = program_environment(tmp_path, database_url=f"sqlite:///{tmp_path}/db.sqlite3")
    del environment["API_KEY_PEPPER"]
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "migrate"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "predex cannot start: set API_KEY_PEPPER in the environment or in .env "
        "(`make env` generates it)."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE_SHARDS", "0"),
        ("ENGINE_SHARDS", "two"),
        ("BODY_BYTES_MAX", "-1"),
        ("JWT_ACCESS_SECONDS", "1.5"),
        ("DEBUG", "maybe"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("DATABASE_URL", "predex.db"),
        ("DATABASE_URL", "postgres://predex:secret@db:port/predex"),
        ("DATABASE_URL", "mysql://db/predex"),
        ("REDIS_URL", "localhost:6379"),
        ("EMAIL_URL", "mail.example.org"),
        ("LOG_LEVEL", "loud"),
        ("DATA_DIR", "/dev/null/data"),
    ],
)
def test_a_value_without_sense_is_named_in_one_sentence(name, value, monkeypatch):
    values = {"SECRET_KEY": "a" * 40, "API_KEY_PEPPER": "b" * 40, "JWT_SIGNING_KEY": "c" * 40}
    environment = {**values, "PREDEX_ENV_FILE": "/dev/null", "DEBUG": "false", name: value}
    monkeypatch.setattr(environ.Env, "ENVIRON", environment)
    with pytest.raises(ImproperlyConfigured) as fault:
        runpy.run_path(str(ROOT / "predex" / "settings.py"))
    assert str(fault.value).startswith(f"set {name} to ")
    assert str(fault.value).endswith(".")
    assert "secret" not in str(fault.value)


def test_celery_does_not_start_on_what_it_can_not_read(tmp_path):
    environment = program_environment(tmp_path, database_url=f"sqlite:///{tmp_path}/db.sqlite3")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "--workdir", ROOT, "-A", "predex", "worker"],
        env={**environment, "ENGINE_SHARDS": "0"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "predex cannot start: set ENGINE_SHARDS to a whole number of at least 1."
    )


def test_sqlite_commits_durably_and_locks_at_the_start_of_a_transaction():
    options = configure_database(
        {"ENGINE": "django.db.backends.sqlite3", "NAME": "x.sqlite3"}, pool_connections_max=4
    )["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in options["init_command"]
    assert "journal_mode=WAL" in options["init_command"]
    assert options["timeout"] > 0


def test_postgresql_uses_the_driver_s_pool_and_no_persistent_connections():
    database = configure_database(
        {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}, pool_connections_max=4
    )
    assert database["CONN_MAX_AGE"] == 0
    assert database["OPTIONS"]["pool"]["max_size"] == 4


def test_another_database_is_refused_with_what_to_set():
    with pytest.raises(ImproperlyConfigured, match=r"^set DATABASE_URL "):
        configure_database({"ENGINE": "django.db.backends.mysql"}, pool_connections_max=4)


def test_settings_stay_in_one_short_file():
    assert len((ROOT / "predex" / "settings.py").read_text().splitlines()) <= 255
