"""Texts of Django and django-unfold that are missing in their German catalogues.

`locale/` takes precedence over the packages' catalogues (`LOCALE_PATHS`), so it can translate them.
`make messages` keeps only texts that occur in our code, so they are listed here.
"""

# ruff: noqa: RUF001 - the apostrophes are theirs

from typing import Final

from django.utils.translation import gettext_noop as _

TEXTS: Final = (
    # django-unfold's
    _("After you've created a user, you’ll be able to edit more user options."),
    _("All applications"),
    _("Apply Filters"),
    _("Choose file to upload"),
    _("Click to cancel"),
    _("Date"),
    _("False"),
    _("General"),
    _("Go back"),
    _("More actions"),
    _("Next"),
    _("No results found"),
    _("Previous"),
    _("Reset filters"),
    _("Return to site"),
    _("Run"),
    _("Search apps and models..."),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select record"),
    _("Select value"),
    _("This item will be deleted."),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Toggle password visibility"),
    _("True"),
    _("Type to search"),
    _("You have been successfully logged out from the administration"),
    _(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can"
        ' change the password using <a href="{}" class="text-primary-600 dark:text-primary-500">'
        "this form</a>."
    ),
    # Django's
    _("Conflicting form data submitted. Please try again."),
    _("Disable password-based authentication"),
    _("Disabled"),
    _("Hold down “Control”, or “Command” on a Mac, to select more than one."),
    _("Enable password-based authentication for this user by setting a password."),
    _("Enable password-based authentication"),
    _("Enabled"),
    _("Password-based authentication was disabled."),
    _("Password-based authentication"),
    _("Raw passwords are not stored, so there is no way to see the user’s password."),
    _("Reset password"),
    _("Set password"),
    _("Set password: %s"),
    _("This action will <strong>enable</strong> password-based authentication for this user."),
    _(
        "Whether the user will be able to authenticate using a password or not. If disabled, they"
        " may still be able to authenticate using other backends, such as Single Sign-On or LDAP."
    ),
)
