"""Codes of users, keys and credits."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from kernel.error_codes.code import PAST, ErrorCode

_C = ErrorCode
_WAIT: Final = _("Wait until your earlier requests have been decided.")

# fmt: off
ACCOUNTS: Final[dict[str, ErrorCode]] = {
    # --- users ---
    "already_suspended": _C(409, "this user is already suspended",
                            _("This user is already suspended.")),
    "bad_handle": _C(400, "a handle has 3 to 30 lower-case letters, digits or underscores",
                     _("A handle has 3 to 30 lower-case letters, digits or underscores.")),
    "email_taken": _C(409, "there is already an account with this e-mail address",
                      _("There is already an account with this e-mail address.")),
    "handle_reserved": _C(400, "this handle is reserved", _("This handle is reserved.")),
    "handle_taken": _C(409, "this handle is taken", _("This handle is taken.")),
    "invite_needed": _C(422, "a valid invite code is needed",
                        _("This invitation is not valid, has expired or was used up.")),
    "is_an_operator": _C(403, "this needs an operator with every right",
                         _("This needs an operator with every right.")),
    "last_operator": _C(
        409, "you are the only operator with every right: give them to someone else first",
        _("You are the only operator with full rights: give them to someone else first.")),
    "no_second_factor": _C(409, "this user has no second factor",
                           _("This user has no second factor.")),
    "not_suspended": _C(409, "this user is not suspended", _("This user is not suspended.")),
    "orders_are_open": _C(422, "cancel the account's orders first",
                          _("Cancel the account's orders first.")),
    "own_account": _C(403, "you can't suspend yourself", _("You can't suspend yourself.")),
    "password_too_weak": _C(400, "this password is too weak"),
    "sign_up_closed": _C(403, "sign-up is closed", _("Sign-up is closed.")),
    "unknown_user": _C(400, "there is no such user"),
    "webhook_is_off": _C(409, "this webhook is switched off: switch it on first",
                         _("This webhook is switched off. Switch it on first.")),
    "withdrawal_is_open": _C(422, "a withdrawal is still pending",
                             _("A withdrawal is still pending.")),
    # --- keys and credits ---
    "already_decided": _C(409, "this has already been decided",
                          _("This has already been decided.")),
    "already_expired": _C(400, "this time has passed", PAST),
    "amount_negative": _C(400, "send 0 or more", _("Enter 0 or more.")),
    "amount_not_positive": _C(400, "send an amount above 0", _("Enter an amount above 0.")),
    "insufficient_funds": _C(422, "{missing} more is needed", _("That is more than is available.")),
    "no_account": _C(422, None, _("You have no account to create a key for.")),
    "not_a_trading_account": _C(422, "this account does not trade",
                                _("Only trading accounts have a balance, keys and orders.")),
    "too_many_deposits": _C(422, "wait until your earlier requests have been decided", _WAIT),
    "bad_public_key": _C(400, "send a public key as PEM: RSA with 2048 to 8192 bits, or Ed25519",
                         _("Enter a public key as PEM: RSA of 2048 to 8192 bits, or Ed25519."),
                         "public_key"),
    "bad_network": _C(400, "send at most {count} networks in CIDR notation, like 192.0.2.0/24 or "
                      "2001:db8::/32, or single addresses",
                      _("Enter at most {count} networks like 192.0.2.0/24 or 2001:db8::/32, or "
                        "single addresses."), "networks"),
    "too_many_keys": _C(422, "an account has at most {count} keys",
                        _("An account has at most {count} keys.")),
    "key_of_subaccount": _C(403, "this key is of sub-account {number} and acts for it alone"),
    "not_own_accounts": _C(422, "credits move between accounts of one owner only",
                           _("Credits move between your own accounts only.")),
    "same_subaccount": _C(422, "name two different sub-accounts",
                          _("Choose two different accounts.")),
    "too_many_subaccounts": _C(422, "you have {count} accounts already",
                               _("You have {count} accounts already.")),
    "too_many_webhooks": _C(422, "you have {count} webhooks already",
                            _("You have {count} webhooks already.")),
    "too_many_withdrawals": _C(422, "wait until your earlier requests have been decided", _WAIT),
    "too_much_issued": _C(422, "that is more than the exchange can issue",
                          _("That is more than the exchange can issue.")),
}
# fmt: on
