"""Which browser and system a User-Agent header names, as people know them.

It is what a program says of itself: good enough to recognise one's own, and no more.
"""

from typing import Final

from django.utils.translation import gettext as _

# The first mark that is there names it: most browsers say that they are others as well.
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
    """Return "Firefox on Linux"; of other programs the name and version that they begin with."""
    browser, system = _find(text, _BROWSERS), _find(text, _SYSTEMS)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    first = text.split(" ", 1)[0]
    return browser or (first.replace("/", " ") if "/" in first else text)


def _find(text: str, marks: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in marks if mark in text), "")
