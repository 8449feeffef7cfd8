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
from accounts.errors import ApiError
from accounts.units import UnitError

Sentences = Mapping[str, str | Promise]

TOO_MANY_REQUESTS: Final = "too_many_requests"
_WAIT: Final = _("Wait until earlier requests are decided.")
_ANOTHER_PERSON: Final = _("The two-person rule asks for another person here.")

_sentences: dict[str, str | Promise] = {
    "not_found": _("This was not found."),
    "unavailable": _("That did not work. Try again in a moment."),
    "bad_cursor": _("This link leads nowhere (any more). Begin at the first page."),
    "idempotency_key_reused": _("This form was sent already, with other values. Open it again."),
    "invalid_choice": _("There is no such choice."),
    "blank": _("This can't be empty."),
    "invalid_time": _("Choose a day and a time."),
    "not_a_number": _("Write a number, like 0.55 or 10."),
    "too_many_decimals": _("That has too many decimals."),
    "number_too_large": _("That number is too large."),
    # who asks
    "not_authenticated": _("Log in first."),
    "email_not_verified": _("Confirm your e-mail address first."),
    "account_suspended": _("Your account is suspended."),
    "account_closed": _("This account is closed."),
    "missing_scope": _("You may not do this."),
    "not_an_operator": _("This needs an operator with that right."),
    "second_person_needed": _ANOTHER_PERSON,
    # users
    "handle_taken": _("This handle is taken."),
    "email_taken": _("This e-mail address has an account."),
    "sign_up_closed": _("Sign-up is closed."),
    "invite_needed": _("This invitation is not valid, has expired or was used up."),
    "own_account": _("Nobody suspends themselves."),
    "already_suspended": _("This user is suspended already."),
    "not_suspended": _("This user is not suspended."),
    "orders_are_open": _("Cancel the account's orders first."),
    "withdrawal_is_open": _("A withdrawal is not decided yet."),
    "last_operator": _(
        "You are the only operator with every right: give them to somebody else first."
    ),
    # keys and factors
    "no_account": _("You have no account that could keep the key."),
    "already_expired": _("This moment has passed."),
    "too_many_keys": format_lazy(_("An account has at most {count} keys."), count=KEYS_MAX),
    "is_an_operator": _("This needs an operator with every right."),
    "no_second_factor": _("This user has no second factor."),
    # credits
    "amount_not_positive": _("Write an amount above 0."),
    "amount_negative": _("Write 0 or more."),
    "not_a_trading_account": _("Only accounts that trade have credits, keys and orders."),
    "insufficient_funds": _("There are not that many credits available."),
    "too_many_withdrawals": _WAIT,
    "too_many_deposits": _WAIT,
    "already_decided": _("This has been decided already."),
    "too_much_issued": _("So many credits cannot exist."),
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
