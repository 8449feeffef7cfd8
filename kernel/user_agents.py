"""Browser and system from a User-Agent header, under the names that people know.

A program can claim anything here: good enough to recognise one's own devices, and no more.
"""

from typing import Final

from django.utils.translation import gettext as _

# The first token found wins: most browsers also claim to be others.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def describe_user_agent(text: str) -> str:
    """Return "Firefox on Linux"; for other programs the leading name and version."""
    browser, system = _find(text, _BROWSERS), _find(text, _SYSTEMS)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    first = text.split(" ", 1)[0]
    return browser or (first.replace("/", " ") if "/" in first else text)


def _find(text: str, marks: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in marks if mark in text), "")
