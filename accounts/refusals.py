"""What pages say of a refusal, in the viewer's language. The API's own messages stay as they are.

Found by the error's code, or by `code.field` where a code means something else for some field. Apps
above this one add the sentences of their codes when they are ready.
"""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.actions.credentials import KEYS_MAX
from kernel.errors import ApiError
from kernel.units import UnitError

Sentences = Mapping[str, str | Promise]

TOO_MANY_REQUESTS: Final = "too_many_requests"
_WAIT: Final = _("Wait until your earlier requests have been decided.")
_ANOTHER_PERSON: Final = _("The two-person rule requires a different person for this step.")

_sentences: dict[str, str | Promise] = {
    "not_found": _("This was not found."),
    "unavailable": _("That did not work. Try again in a moment."),
    "bad_cursor": _("This link no longer works. Start again at the first page."),
    "idempotency_key_reused": _("This form was already sent with other values. Open it again."),
    "invalid_choice": _("That is not one of the choices."),
    "blank": _("This can't be empty."),
    "invalid_value": _("Control characters are not allowed here."),
    "invalid_time": _("Choose a day and a time."),
    "not_a_number": _("Enter a number, like 0.55 or 10."),
    "too_many_decimals": _("That has too many decimals."),
    "number_too_large": _("That number is too large."),
    # who asks
    "not_authenticated": _("Log in first."),
    "email_not_verified": _("Confirm your e-mail address first."),
    "account_suspended": _("Your account is suspended."),
    "account_closed": _("This account is closed."),
    "missing_scope": _("Log in with your second factor to do this."),
    "not_an_operator": _("This needs an operator with that right."),
    "second_person_needed": _ANOTHER_PERSON,
    # users
    "handle_taken": _("This handle is taken."),
    "email_taken": _("There is already an account with this e-mail address."),
    "sign_up_closed": _("Sign-up is closed."),
    "invite_needed": _("This invitation is not valid, has expired or was used up."),
    "own_account": _("You can't suspend yourself."),
    "already_suspended": _("This user is already suspended."),
    "not_suspended": _("This user is not suspended."),
    "orders_are_open": _("Cancel the account's orders first."),
    "withdrawal_is_open": _("A withdrawal is still pending."),
    "last_operator": _(
        "You are the only operator with full rights: give them to someone else first."
    ),
    # keys and factors
    "no_account": _("You have no account to create a key for."),
    "already_expired": _("That time has already passed."),
    "too_many_keys": format_lazy(_("An account has at most {count} keys."), count=KEYS_MAX),
    "is_an_operator": _("This needs an operator with every right."),
    "no_second_factor": _("This user has no second factor."),
    # credits
    "amount_not_positive": _("Enter an amount above 0."),
    "amount_negative": _("Enter 0 or more."),
    "not_a_trading_account": _("Only trading accounts have a balance, keys and orders."),
    "insufficient_funds": _("That is more than is available."),
    "too_many_withdrawals": _WAIT,
    "too_many_deposits": _WAIT,
    "already_decided": _("This has already been decided."),
    "too_much_issued": _("That is more than the exchange can issue."),
}


def add_sentences(sentences: Sentences) -> None:
    _sentences.update(sentences)


def describe(error: ApiError | UnitError) -> str:
    """Return a sentence with its full stop."""
    if error.code == TOO_MANY_REQUESTS and isinstance(error, ApiError):
        return f"{describe_wait(error)}."
    by_field = f"{error.code}.{getattr(error, 'field', None)}"
    return str(_sentences.get(by_field) or _sentences.get(error.code) or error.message)


def describe_wait(error: ApiError) -> str:
    """Return when to try again, without a full stop."""
    seconds = int(error.headers.get("Retry-After", 1))
    return ngettext(
        "Try again in %(seconds)d second", "Try again in %(seconds)d seconds", seconds
    ) % {"seconds": seconds}
