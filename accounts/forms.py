"""Sign-up fields of the website in addition to allauth's."""

from typing import Any

from allauth.core import context
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actions import check_sign_up
from accounts.policy import get_policy
from kernel.errors import RefusedError, describe

INVITE = "invite"
"""The link's parameter; kept in the session across the redirects of single sign-on."""
INVITE_LENGTH_MAX = 40


class SignupForm(forms.Form):
    """allauth adds its e-mail, handle and password fields."""

    invite_code = forms.CharField(
        label=_("Invitation code"), max_length=INVITE_LENGTH_MAX, required=False, strip=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if get_policy().sign_up == "invite":
            self.fields["invite_code"].initial = _remember_invite()
        else:
            del self.fields["invite_code"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            self.invite = check_sign_up(cleaned.get("invite_code", ""))
        except RefusedError as refusal:
            field = "invite_code" if "invite_code" in self.fields else None
            self.add_error(field, forms.ValidationError(describe(refusal), code=refusal.code))
        return cleaned

    def signup(self, request: Any, user: Any) -> None:
        """Called by allauth after the user is saved; `AccountAdapter.save_user` did the rest."""
        request.session.pop(INVITE, None)


def _remember_invite() -> str:
    request = context.request
    code = request.GET.get(INVITE, "")[:INVITE_LENGTH_MAX]
    if code:
        request.session[INVITE] = code
    return code or request.session.get(INVITE, "")
