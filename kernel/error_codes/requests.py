"""Codes of any request: its form, who sends it, how often; and of the feed."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from kernel.error_codes.code import ENTER_CONTRACTS, ErrorCode

_C = ErrorCode
_ANOTHER_PERSON: Final = _("The two-person rule requires a different person for this step.")
_CONTROLS: Final = _("Control characters are not allowed here.")
_FAILED: Final = _("That did not work. Try again in a moment.")
_OTHER_USES: Final = _(
    "This form was already sent with other values. Check what was sent, then send "
    "it again if you still want it."
)

# fmt: off
REQUESTS: Final[dict[str, ErrorCode]] = {
    # --- any request ---
    "bad_content_length": _C(400, "Content-Length is not a number"),
    "bad_cursor": _C(400, "this cursor is not one of ours for this list",
                     _("This link no longer works. Start again at the first page."), "cursor"),
    "bad_idempotency_key": _C(400, "an Idempotency-Key has 1 to 64 ASCII characters, no spaces"),
    "bad_json": _C(400, "the body is not valid JSON"),
    "bad_request": _C(400, "this request cannot be understood"),
    "body_too_large": _C(413, "this body is too large"),
    "csrf_failed": _C(403, "a CSRF token is missing or wrong"),
    "disconnected": _C(400, "the request ended in the middle of its body"),
    "forbidden": _C(403, "this is not allowed"),
    "headers_too_large": _C(431, "a request's head has at most {bytes} bytes"),
    "host_not_allowed": _C(400, "this host name is not served here"),
    "idempotency_key_reused": _C(409, "this key was already used for another request", _OTHER_USES),
    "internal_error": _C(500, "this failed on our side; the request id helps us to find out why"),
    "maintenance": _C(503, "the exchange is in maintenance: reading only",
                      _("The exchange is in maintenance: nothing can be changed right now.")),
    "method_not_allowed": _C(405, "this method is not allowed here"),
    "not_found": _C(404, "{what} was not found", _("This was not found.")),
    "not_found.order": _C(404, None, _("This order was not found.")),
    "origin_not_allowed": _C(403, "pages of this origin may not connect here"),
    "request_timeout": _C(408, "the request did not arrive in time"),
    "too_many_connections": _C(429, "too many connections of this {what}"),
    "too_many_requests": _C(429, "too many requests: try again in {seconds} s"),
    "unavailable": _C(503, "this is not available now: try again", _FAILED),
    "unexpected_body": _C(400, "this takes no body"),
    "wrong_content_type": _C(415, "send JSON with Content-Type: application/json"),
    # --- fields ---
    "ambiguous_number": _C(
        400, None, _("“{typed}” is ambiguous. Enter {thousands} or {decimals}.")),
    "blank": _C(400, "this field may not be blank", _("This can't be empty.")),
    "blank.comment": _C(422, None, _("Write a comment first."), "text"),
    "blank.dispute": _C(422, None, _("Say what is wrong with this result."), "text"),
    "blank.answers": _C(400, "each answer has a name", _("Each answer has a name."), "answers"),
    "blank.clarification": _C(400, "say what is to be added to the rules",
                              _("Write what is to be added to the rules."), "text"),
    "blank.group": _C(422, None, _("Give the group a name."), "name"),
    "blank.value_path": _C(400, "say where in the answer the value stands",
                           _("Enter where in the answer the value stands."), "value_path"),
    "blank.note": _C(400, "say what needs to change", _("Say what needs to change."), "note"),
    "blank.outcomes": _C(400, "each outcome has a name", _("Each outcome has a name."), "outcomes"),
    "blank.reason": _C(400, "give a reason", _("Give a reason."), "reason"),
    "invalid_choice": _C(400, "this is not a choice here", _("That is not one of the choices.")),
    "invalid_time": _C(400, "send a time like 2026-07-01T12:00:00Z", _("Choose a day and a time.")),
    "invalid_value": _C(400, "this value can't be used", _CONTROLS),
    "missing_field": _C(400, "this field is needed", _("This can't be empty.")),
    "missing_field.order": _C(400, None, ENTER_CONTRACTS),
    "not_a_duration": _C(400, None, _("Use a form like 1h, 2d 12h or 90s.")),
    "not_a_number": _C(400, "send a number, or a decimal as a string",
                       _("Enter a number, like 0.55 or 10.")),
    "not_whole": _C(400, None, _("Enter a whole number.")),
    "number_too_large": _C(400, "this number is too large", _("That number is too large.")),
    "repeated_field": _C(400, "send this once"),
    "too_large": _C(400, "this is too large", _("That number is too large.")),
    "too_long": _C(400, "this is too long", _("This is too long.")),
    "too_many_decimals": _C(400, "at most {decimals} decimals are allowed here",
                            _("At most {decimals} decimals.")),
    "too_short": _C(400, "this is too short"),
    "too_small": _C(400, "this is too small"),
    "unknown_field": _C(400, "this field is unknown"),
    "wrong_type": _C(400, "this has the wrong type"),
    # --- authentication and permission ---
    "account_closed": _C(403, "this account is closed", _("This account is closed.")),
    "account_closed.already": _C(409, "this account is already closed",
                                 _("This account is already closed.")),
    "account_suspended": _C(403, "this account is suspended", _("Your account is suspended.")),
    "address_not_allowed": _C(403, "this key may not be used from the address {address}"),
    "email_not_verified": _C(403, "verify your e-mail address first",
                             _("Confirm your e-mail address first.")),
    "invalid_credentials": _C(401, "this key or token is not valid"),
    "log_in_again": _C(403, "this needs a log-in of the last minutes: log in again"),
    "missing_scope": _C(403, "this needs the scope {scope}",
                        _("Log in with your second factor to do this.")),
    "not_an_operator": _C(403, "this needs an operator with that right",
                          _("This needs an operator with that right.")),
    "not_authenticated": _C(401, "log in, or send an API key or a token", _("Log in first.")),
    "second_person_needed": _C(403, "the two-person rule requires a different person for this step",
                               _ANOTHER_PERSON),
    "token_expired": _C(401, "this token has expired: refresh it"),
    "totp_invalid": _C(401, "this code is wrong or has already been used"),
    "totp_required": _C(401, "send the code of your authenticator, or a recovery code, as totp"),
    "wrong_password": _C(403, "wrong password"),
    # --- the feed ---
    "already_authenticated": _C(409, "this connection is another account's"),
    "message_too_large": _C(413, "a message has at most {bytes} bytes"),
    "too_many_subscriptions": _C(429, "one connection follows at most {count} channels of markets"),
}
# fmt: on
