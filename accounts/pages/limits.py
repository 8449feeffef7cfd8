"""The page of an account's rate limits."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.actions.credentials import KEYS_MAX
from accounts.actions.credits import WITHDRAWALS_OPEN_MAX
from accounts.api.principal import Principal, principal_of_user
from accounts.models import User
from web import limits as buckets
from web.limits import Rate


@login_required
@require_safe
def limits(request: HttpRequest) -> HttpResponse:
    principal = principal_of_user(cast("User", request.user))
    context = {
        "tab": "limits",
        "buckets": [
            _show(principal, "read", _("Reading"), principal.read_rate),
            _show(principal, "write", _("Orders and other changes"), principal.write_rate),
        ],
        "keys_max": KEYS_MAX,
        "withdrawals_max": WITHDRAWALS_OPEN_MAX,
        "comments": settings.ATTEMPT_LIMITS["comment"]["account"],
        "is_verified": principal.is_verified,
    }
    return render(request, "accounts/limits.html", context)


def _show(principal: Principal, bucket: str, name: str, rate: Rate) -> dict[str, Any]:
    left = buckets.count_remaining(principal.account_id, bucket, rate)
    return {"name": name, "rate": rate, "left": left}
