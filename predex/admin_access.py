"""The admin site's access control and content security policy.

Log-in is allauth's, which handles the second factor and rate limits. With ADMIN_REQUIRE_MFA an
operator without a second factor only reaches a page that explains how to set one up, and one whose
log-in did not use it is asked for it now. Unfold's pages use Alpine, which evaluates expressions:
only they are allowed 'unsafe-eval' and inline styles.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.second_factor import has_second_factor

relax_policy = csp_replace({"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]})


class OperatorsSite(UnfoldAdminSite):
    index_title = _("Overview")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return answer

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("account_change_password")  # which asks for reauthentication and is audited

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        inner = relax_policy(super().admin_view(view, cacheable))

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            user = request.user
            if user.is_active and user.is_staff and not user.may_operate:
                return _ask_for_second_factor(request, user)
            return inner(request, *args, **kwargs)

        return guarded


def _ask_for_second_factor(request: HttpRequest, user: User) -> HttpResponse:
    if not has_second_factor(user):
        return render(request, "admin/second_factor.html", status=403)
    methods = get_adapter(request).get_reauthentication_methods(user)
    by_factor = next(way["url"] for way in methods if way["id"].startswith("mfa_"))
    return redirect(f"{by_factor}?{urlencode({'next': request.get_full_path()})}")
