"""Reads settings from the environment: an invalid value gets a sentence, not a traceback.

Any setting NAME can be in a file instead, such as a container's secret: NAME_FILE is its path.
"""

import ipaddress
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import environ
from django.core.exceptions import ImproperlyConfigured

YES: Final = frozenset({"true", "yes", "on", "1", "y", "t", "ok"})
NO: Final = frozenset({"false", "no", "off", "0", "n", "f", ""})
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Environment(environ.Env):
    """django-environ's Env with more types, which raise ImproperlyConfigured with what to set."""

    ENVIRON: MutableMapping[str, str]

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return a value, from the file that NAME_FILE names if there is one."""
        path = self.ENVIRON.get(f"{var}_FILE")
        if path:
            if self.ENVIRON.get(var):
                raise ImproperlyConfigured(f"set {var} or {var}_FILE, not both.")
            self.ENVIRON = {**self.ENVIRON, var: _read_file(f"{var}_FILE", Path(path))}
        return super().get_value(var, *args, **kwargs)

    def count(self, name: str, *, default: int, at_least: int = 1) -> int:
        text = self.str(name, default=str(default)).strip()
        if not (text.isascii() and text.isdecimal() and int(text) >= at_least):
            raise ImproperlyConfigured(f"set {name} to a whole number of at least {at_least}.")
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.str(name, default=str(default)).strip().lower()
        if text not in YES | NO:
            raise ImproperlyConfigured(f"set {name} to true or false.")
        return text in YES

    def networks(self, name: str) -> list[str]:
        """Return IP addresses and networks; host names are refused, as they are never resolved."""
        found: list[str] = [text.strip() for text in self.list(name, default=[])]
        for text in found:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise ImproperlyConfigured(
                    f"set {name} to IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/24: "
                    f"{text!r} is neither."
                ) from None
        return found

    def folder(self, name: str, *, default: Path) -> Path:
        """Return a folder, created if missing."""
        path = Path(self.str(name, default=str(default)))
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise ImproperlyConfigured(
                f"set {name} to a folder that can be written: {path} can't ({fault.strerror})."
            ) from None
        return path

    def database(self, url: str, *, password: str) -> dict[str, Any]:
        """Return Django's settings for the database at this URL, with a password beside it."""
        with warnings.catch_warnings(action="ignore"):  # about values that the caller refuses
            try:
                found = {"ENGINE": "", **self.db_url_config(url)}
                return {**found, "PASSWORD": password} if password else found
            except ValueError:
                return {"ENGINE": ""}

    def redis(self, name: str) -> str:
        """Return the URL of a Redis, or "" for none."""
        url = self.str(name, default="").strip()
        if url and not url.startswith(REDIS_SCHEMES):
            raise ImproperlyConfigured(f"set {name} to a redis:// address, or unset it.")
        return url

    def mail(self, name: str, *, default: str) -> dict[str, Any]:
        """Return Django's settings for the mail server at this URL."""
        try:
            return dict(self.email_url(name, default=default))
        except (ValueError, ImproperlyConfigured):
            raise ImproperlyConfigured(f"set {name} to an smtp://host:25 address.") from None

    def log_level(self, name: str) -> str:
        level = self.str(name, default="INFO").strip().upper()
        if level not in LOG_LEVELS:
            raise ImproperlyConfigured(f"set {name} to one of {', '.join(LOG_LEVELS)}.")
        return level


def _read_file(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "no text"
        raise ImproperlyConfigured(
            f"set {name} to a file that can be read: {path} can't ({reason})."
        ) from None
