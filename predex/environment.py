"""Reads settings from the environment: an invalid value gets a sentence, not a traceback."""

import ipaddress
import warnings
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

    def database(self, url: str) -> dict[str, Any]:
        """Return Django's settings for the database at this URL."""
        with warnings.catch_warnings(action="ignore"):  # about values that the caller refuses
            try:
                return {"ENGINE": "", **self.db_url_config(url)}
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
