"""allauth's forms with our texts: log-in, sign-up (also after single sign-on), address, passkey."""

from typing import Any

from allauth.account import forms as by_password
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.socialaccount import forms as by_sign_on
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _

from kernel.texts import validate_line

FIELD_ORDER = ["invite_code", "email", "username", "password1", "password2"]


class LogInForm(by_password.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("E-mail")
        self.fields["remember"].label = _("Stay logged in")
        self.fields["remember"].initial = True


class SignUpForm(by_password.SignupForm):
    field_order = FIELD_ORDER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _describe(self)


class SignOnForm(by_sign_on.SignupForm):
    field_order = FIELD_ORDER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _describe(self)


class AddEmailForm(by_password.AddEmailForm):
    def save(self, request: HttpRequest) -> EmailAddress:
        address: EmailAddress = super().save(request)
        context = {"address": address.email}
        get_adapter(request).send_notification_mail("email_added", self.user, context)
        return address


class PasskeyForm(AddWebAuthnForm):
    """A passkey that can log in alone, unless it is chosen as a second factor only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].validators.append(validate_line)
        alone = self.fields["passwordless"]
        alone.initial = True
        alone.label = _("Log in with it alone, without a password")
        alone.help_text = _("Otherwise you use it as a second factor after the password.")


def _describe(form: forms.Form) -> None:
    form.fields["email"].label = _("E-mail")
    handle = form.fields["username"]
    handle.label = _("Handle")
    handle.help_text = _("Your public name: lower-case letters, digits and underscores.")
    handle.widget.attrs.update(autocapitalize="none", spellcheck="false")
    if "password1" in form.fields:
        form.fields["password1"].help_text = _("At least 8 characters, and nothing common.")
    if "invite_code" in form.fields:
        form.fields["invite_code"].required = True
        form.fields["invite_code"].widget.attrs["autocomplete"] = "off"
