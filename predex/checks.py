"""Refuses to start with settings that would be unsafe with DEBUG off.

`compute_faults` is pure: settings in, sentences out, each naming the variable to set.
`refuse_unsafe` is called at the end of `settings.py`, so every process runs it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

SECRETS = ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY")
SECRET_LENGTH_MIN = 32
TOKEN_LENGTH_MIN = 16
DEBUG_SECRET_PREFIX = "insecure-"  # noqa: S105 - marks a value that is not a secret
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def compute_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence per unsafe setting; with DEBUG on only of what cannot work."""
    if values["DEBUG"]:
        return _simulator_faults(values)
    return [
        *_simulator_faults(values),
        *_secret_faults(values),
        *_metrics_faults(values),
        *_host_faults(values),
        *_transport_faults(values),
    ]


def refuse_unsafe(values: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured with the first fault."""
    faults = compute_faults(values)
    if faults:
        raise ImproperlyConfigured(faults[0])


def _simulator_faults(values: Mapping[str, Any]) -> list[str]:
    if not values["SIMULATOR"]:
        return []
    if not values["EMBEDDED"]:
        return ["unset REDIS_URL, or SIMULATOR: the simulator is one process with its own engine."]
    if values["DEBUG"] or values["ALLOW_SIMULATOR"]:
        return []
    return [
        "unset SIMULATOR: it lets programs reset the exchange and break their own connections. "
        "Where that is all the site is for, and DEBUG is off, set ALLOW_SIMULATOR=true too."
    ]


def _secret_faults(values: Mapping[str, Any]) -> list[str]:
    faults = [fault for name in SECRETS if (fault := _secret_fault(name, values[name]))]
    if not faults and len({values[name] for name in SECRETS}) < len(SECRETS):
        faults.append(f"set {', '.join(SECRETS)} to different values: each has its own door.")
    return faults


def _secret_fault(name: str, secret: str) -> str | None:
    if not secret:
        return f"set {name} in the environment or in .env (`make env` generates it)."
    if secret.startswith(DEBUG_SECRET_PREFIX):
        return f"set {name} to a generated secret: the built-in one is for DEBUG only."
    if len(secret) < SECRET_LENGTH_MIN:
        return f"set {name} to at least {SECRET_LENGTH_MIN} characters of random text."
    return None


def _host_faults(values: Mapping[str, Any]) -> list[str]:
    hosts = values["ALLOWED_HOSTS"]
    if not hosts:
        return ["set ALLOWED_HOSTS to the host names people use, separated by commas."]
    if "*" in hosts:
        return ["set ALLOWED_HOSTS to named hosts: '*' lets anyone forge links in e-mails."]
    if "*" in values["CORS_ALLOWED_ORIGINS"]:
        return ["set CORS_ALLOWED_ORIGINS to named origins instead of '*'."]
    if everybody := _find_everybody(values["TRUSTED_PROXIES"]):
        reason = f"'{everybody}' lets anyone forge the client's address"
        return [f"set TRUSTED_PROXIES to the addresses of proxies: {reason}."]
    return []


def _find_everybody(networks: list[str]) -> str | None:
    """Return the network of these that is every address, if any."""
    return next((text for text in networks if text == "*" or text.endswith("/0")), None)


def _metrics_faults(values: Mapping[str, Any]) -> list[str]:
    if everybody := _find_everybody(values["METRICS_NETWORKS"]):
        return [f"set METRICS_NETWORKS to the networks of monitors: '{everybody}' is everybody's."]
    token = values["METRICS_TOKEN"]
    if token and len(token) < TOKEN_LENGTH_MIN:
        return [f"set METRICS_TOKEN to at least {TOKEN_LENGTH_MIN} characters, or unset it."]
    if values["METRICS_PORT"] and not token and not values["METRICS_NETWORKS"]:
        return ["set METRICS_TOKEN or METRICS_NETWORKS: METRICS_PORT serves nobody else."]
    return []


def _transport_faults(values: Mapping[str, Any]) -> list[str]:
    site = urlsplit(values["SITE_URL"])
    if site.scheme not in {"http", "https"} or not site.hostname:
        return ["set SITE_URL to the site's address, such as https://predict.example.org."]
    if site.scheme == "https" or site.hostname in LOOPBACK_HOSTS or values["ALLOW_PLAIN_HTTP"]:
        return []
    return ["set SITE_URL to an https:// address, or ALLOW_PLAIN_HTTP=true in a trusted network."]
