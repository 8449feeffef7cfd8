"""The pages of this app. Some override allauth's own at the same path."""

from allauth.account.decorators import reauthentication_required
from allauth.account.views import password_set
from django.urls import path
from django.views.generic import RedirectView

from accounts.api import urls  # noqa: F401 - registers the converter of ids
from accounts.pages import help, keys, limits, manifest, privacy, profile, security, setup
from web.markdown import as_markdown

to_security = RedirectView.as_view(pattern_name="account_security")

urlpatterns = [
    path("account/", profile.profile, name="account"),
    path("account/security/", security.security, name="account_security"),
    path("account/security/others/end/", security.end_others, name="account_end_others"),
    path(
        "account/security/browsers/<int:session_id>/end/",
        security.end_browser,
        name="account_end_browser",
    ),
    path(
        "account/security/programs/<id:login_id>/end/",
        security.end_program,
        name="account_end_program",
    ),
    path("account/keys/", keys.keys, name="account_keys"),
    path("account/keys/<id:key_id>/revoke/", keys.revoke, name="account_revoke_key"),
    path("account/keys/revoke/", keys.revoke_all, name="account_revoke_keys"),
    path("account/limits/", limits.limits, name="account_limits"),
    path("account/privacy/", privacy.privacy, name="account_privacy"),
    path("account/privacy/export/", privacy.export, name="account_export"),
    path("account/privacy/delete/", privacy.delete, name="account_delete"),
    path("accounts/2fa/", to_security),
    # Users without a password set one here; allauth would not ask for reauthentication.
    path("accounts/password/set/", reauthentication_required(password_set)),
    path("accounts/sessions/", to_security),
    path("setup/", setup.setup, name="setup"),
    path("help/", help.show, name="help"),
    path("help.md", as_markdown(help.show), name="help_markdown"),
    path("help/api/", help.api, name="help_api"),
    path("help/api.md", as_markdown(help.api), name="help_api_markdown"),
    path("manifest.webmanifest", manifest.manifest, name="manifest"),
]
