"""The admin's site: who gets in, and what its pages may do in a browser.

The log-in is allauth's, which knows the second factor and the rate limit. Where the setting
ADMIN_REQUIRE_MFA says so, an operator without a second factor gets no further than a page that
says how to set one up. Unfold's pages work with Alpine, which evaluates expressions: they, and
only they, are allowed 'unsafe-eval' and inline styles.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.models import User

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]  # not recovery codes alone

relax_policy = csp_replace({"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]})


class OperatorsSite(UnfoldAdminSite):
    index_title = _("Overview")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return answer

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("account_change_password")  # which asks again who it is, and is audited

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        inner = relax_policy(super().admin_view(view, cacheable))

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if lacks_second_factor(request.user):
                return render(request, "admin/second_factor.html", status=403)
            return inner(request, *args, **kwargs)

        return guarded


def lacks_second_factor(user: User | AnonymousUser) -> bool:
    """Say whether an operator must set up a second factor before anything else."""
    if not settings.ADMIN_REQUIRE_MFA or not (user.is_active and user.is_staff):
        return False
    return not is_mfa_enabled(user, types=FACTORS)
