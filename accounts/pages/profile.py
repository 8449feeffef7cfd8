"""Editing one's public profile."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.actions import do_change_profile
from accounts.models import User
from kernel.texts import validate_line, validate_text

UNPROCESSABLE = 422


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("display_name", "bio", "public_profile", "on_leaderboards", "shares_positions")
        labels = {
            "display_name": gettext_lazy("Display name"),
            "bio": gettext_lazy("About you"),
            "public_profile": gettext_lazy("Public profile"),
            "on_leaderboards": gettext_lazy("Leaderboards"),
            "shares_positions": gettext_lazy("Positions"),
        }
        help_texts = {
            "display_name": gettext_lazy("Shown beside your handle."),
            "bio": gettext_lazy("Up to 300 characters, plain text."),
            "public_profile": gettext_lazy("Anyone can see your profile and track record."),
            "on_leaderboards": gettext_lazy("Your results appear on leaderboards."),
            "shares_positions": gettext_lazy("Your profile shows your current positions."),
        }
        widgets = {
            "display_name": forms.TextInput(attrs={"autocomplete": "nickname"}),
            "bio": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["display_name"].validators.append(validate_line)
        self.fields["bio"].validators.append(validate_text)


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        do_change_profile(user.pk, **form.cleaned_data)
        messages.success(request, _("Your profile is saved."))
        return redirect("account")
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "accounts/profile.html", {"tab": "profile", "form": form}, status=status)
