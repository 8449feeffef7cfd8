"""What sign-up on the website asks beyond allauth's own fields."""

from typing import Any

from django import forms

from accounts.actions import check_sign_up
from accounts.errors import RefusedError
from accounts.policy import get_policy


class SignupForm(forms.Form):
    """allauth puts its e-mail, handle and password fields in front of these."""

    invite_code = forms.CharField(max_length=40, required=False, strip=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if get_policy().sign_up != "invite":
            del self.fields["invite_code"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            self.invite = check_sign_up(cleaned.get("invite_code", ""))
        except RefusedError as refusal:
            raise forms.ValidationError(refusal.message, code=refusal.code) from None
        return cleaned

    def signup(self, request: Any, user: Any) -> None:
        """Called by allauth after the user is saved; `AccountAdapter.save_user` did the rest."""
