"""The page at the one-time URL from the console, which creates the first operator."""

from typing import Any

from django import forms
from django.contrib.auth import login, password_validation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.actions import check_setup_key, do_make_first_operator
from accounts.handles import HANDLE_LENGTH_MAX, VALIDATORS
from accounts.models import User
from kernel.errors import RefusedError, describe

UNPROCESSABLE = 422
BACKEND = "accounts.backends.Backend"


class SetupForm(forms.Form):
    key = forms.CharField(max_length=100, widget=forms.HiddenInput)
    email = forms.EmailField(
        label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    handle = forms.CharField(
        label=_("Handle"),
        max_length=HANDLE_LENGTH_MAX,
        validators=VALIDATORS,
        help_text=_("Your public name: lower-case letters, digits and underscores."),
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        help_text=_("At least 8 characters, and nothing common."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            user = User(email=values["email"], handle=values["handle"])
            try:
                password_validation.validate_password(values["password"], user)
            except forms.ValidationError as fault:
                self.add_error("password", fault)
        return values


@never_cache
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Create the first operator from a form and log them in; a 404 without a valid key."""
    if request.method != "POST":
        key = request.GET.get("key", "")
        check_setup_key(key)
        return render(request, "accounts/setup.html", {"form": SetupForm(initial={"key": key})})
    form = SetupForm(request.POST)
    check_setup_key(request.POST.get("key", ""))
    if form.is_valid():
        try:
            user = do_make_first_operator(**form.cleaned_data)
        except RefusedError as refusal:
            form.add_error(refusal.field, describe(refusal))
        else:
            login(request, user, backend=BACKEND)
            return redirect("admin:index")
    return render(request, "accounts/setup.html", {"form": form}, status=UNPROCESSABLE)
