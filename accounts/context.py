"""The template context of every page: site and viewer."""

import json
from typing import Any, Final
from urllib.parse import urlencode, urljoin

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import Account
from accounts.policy import get_policy
from kernel.colours import compute_accents
from web.viewer import find_theme

PREVIEW: Final = "preview.png"
AMOUNT: Final = "{amount}"
"""The placeholder that scripts replace by an amount (static/js/format.js)."""

# "<" could end the script element; escaped as \\u003c it is the same JSON.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def site(request: HttpRequest) -> dict[str, Any]:
    """`policy`, `money_pattern` (for scripts), `theme`, `accents` (None: the style sheet's own),
    `viewer_account`, `words`, `back_query` with which log-in and sign-up lead back here, and
    `preview_url` of the picture that links to the site show elsewhere.
    """
    policy, words = get_policy(), build_words()
    return {
        "policy": policy,
        "money_pattern": policy.add_symbol(AMOUNT),
        "theme": find_theme(request),
        "accents": compute_accents(policy.accent_colour),
        "viewer_account": SimpleLazyObject(lambda: find_account(request)),
        "words": words,
        "words_json": json_for_script(words),
        "back_query": find_back_query(request),
        "preview_url": urljoin(settings.SITE_URL, static(PREVIEW)),
    }


def find_back_query(request: HttpRequest) -> str:
    """Return `next` as a query; "" on the log-in pages and on answers to forms."""
    is_entrance = request.path.startswith(reverse("account_login").removesuffix("login/"))
    return (
        ""
        if is_entrance or request.method != "GET"
        else "?" + urlencode({"next": request.get_full_path()}, safe="/")
    )


def find_account(request: HttpRequest) -> Account | None:
    """Return the viewer's trading account, read once per request."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return Account.objects.filter(owner=user, number=1).first()


def build_words() -> dict[str, str]:
    """Texts of the site-wide script. Page-specific texts are in the pages' markup."""
    return {
        "connection_lost": _("Connection lost. Prices may be old; connecting again…"),
        "connection_back": _("Connected again. Everything is up to date."),
        "engine_away": _("The matching engine is away. You can read, but not trade, for now."),
        "request_failed": _("That did not work. Try again in a moment."),
        "too_many": _("Too many requests. Wait a moment, then try again."),
        "copied": _("Copied"),
        "close": _("Close"),
    }


def json_for_script(value: Any) -> SafeString:
    """Return JSON for the inside of a `<script type="application/json">`."""
    return SafeString(json.dumps(value, ensure_ascii=False).translate(_ESCAPES))
