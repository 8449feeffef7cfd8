"""Every error code: its HTTP status, its text in the API and on pages, the field at fault.

Codes and statuses are stable (docs/api.md lists them); texts are for people. A code without an API
text occurs on pages only, one without a page text in the API only. `{name}` is filled in by the
code that raises it. `code.case` is a variant of a code with its own status or text.

400 and 422: the request itself is wrong. 409: it conflicts with a state, and may succeed later.
"""

from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ErrorCode(NamedTuple):
    status: int
    message: str | None
    page_text: str | Promise | None = None
    field: str | None = None


_C = ErrorCode
_ADDRESS_RULE: Final = "an address has 1 to 80 of a-z, 0-9 and inner dashes"
_ANOTHER_PERSON: Final = _("The two-person rule requires a different person for this step.")
_BUSY: Final = _("Nothing was sent. Try again in a moment.")
_CONTROLS: Final = _("Control characters are not allowed here.")
_ENTER_CONTRACTS: Final = _("Enter the number of contracts.")
_FAILED: Final = _("That did not work. Try again in a moment.")
_NOT_NOW: Final = _("The market's status no longer allows this.")
_OTHER_USES: Final = _(
    "This form was already sent with other values. Check what was sent, then send "
    "it again if you still want it."
)
_PAST: Final = _("That time has already passed.")
_WAIT: Final = _("Wait until your earlier requests have been decided.")

# fmt: off
ERROR_CODES: Final[dict[str, ErrorCode]] = {
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
    "blank.group": _C(422, None, _("Give the group a name."), "name"),
    "blank.note": _C(400, "say what needs to change", _("Say what needs to change."), "note"),
    "blank.outcomes": _C(400, "each outcome has a name", _("Each outcome has a name."), "outcomes"),
    "blank.reason": _C(400, "give a reason", _("Give a reason."), "reason"),
    "invalid_choice": _C(400, "this is not a choice here", _("That is not one of the choices.")),
    "invalid_time": _C(400, "send a time like 2026-07-01T12:00:00Z", _("Choose a day and a time.")),
    "invalid_value": _C(400, "this value can't be used", _CONTROLS),
    "missing_field": _C(400, "this field is needed", _("This can't be empty.")),
    "missing_field.order": _C(400, None, _ENTER_CONTRACTS),
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
    "withdrawal_is_open": _C(422, "a withdrawal is still pending",
                             _("A withdrawal is still pending.")),
    # --- keys and credits ---
    "already_decided": _C(409, "this has already been decided",
                          _("This has already been decided.")),
    "already_expired": _C(400, "this time has passed", _PAST),
    "amount_negative": _C(400, "send 0 or more", _("Enter 0 or more.")),
    "amount_not_positive": _C(400, "send an amount above 0", _("Enter an amount above 0.")),
    "insufficient_funds": _C(422, "{missing} more is needed", _("That is more than is available.")),
    "no_account": _C(422, None, _("You have no account to create a key for.")),
    "not_a_trading_account": _C(422, "this account does not trade",
                                _("Only trading accounts have a balance, keys and orders.")),
    "too_many_deposits": _C(422, "wait until your earlier requests have been decided", _WAIT),
    "too_many_keys": _C(422, "an account has at most {count} keys",
                        _("An account has at most {count} keys.")),
    "too_many_withdrawals": _C(422, "wait until your earlier requests have been decided", _WAIT),
    "too_much_issued": _C(422, "that is more than the exchange can issue",
                          _("That is more than the exchange can issue.")),
    # --- markets ---
    "already_approved": _C(409, "this is already approved", _("This is already approved.")),
    "bad_dispute_window": _C(422, "a dispute window is at most 90 days",
                             _("A dispute window is at most 90 days.")),
    "bad_fee_rate": _C(422, "a rate lies between 0 and 1", _("A rate lies between 0 and 1.")),
    "bad_fee_unit": _C(422, "a fee unit is 0.000001 or 0.01",
                       _("A fee unit is 0.000001 or 0.01.")),
    "bad_maker_liquidity": _C(422, "a market maker's liquidity lies between 1 and 10^8",
                              _("A market maker's liquidity lies between 1 and 100,000,000.")),
    "bad_maker_priors": _C(422, "first odds are one whole number above 0 for each outcome",
                           _("Enter one whole number above 0 for each outcome.")),
    "bad_lot_step": _C(422, "a lot step lies between 0.01 and 10000.00",
                       _("A lot step lies between 0.01 and 10,000.")),
    "bad_outcome_code": _C(422, "a code has 1 to 32 of A-Z, 0-9, dot, dash and underscore",
                           _("A code has 1 to 32 of A-Z, 0-9, dot, dash and underscore.")),
    "bad_position_limit": _C(422, "a position limit is above 0, at most 10^10",
                             _("A position limit is above 0, at most 10^10.")),
    "bad_slug": _C(422, _ADDRESS_RULE, _("An address has 1 to 80 of a-z, 0-9 and inner dashes.")),
    "bad_tick": _C(422, "a tick divides 1 and lies between 0.0010 and 0.5000",
                   _("A tick divides 1 and lies between 0.001 and 0.5.")),
    "close_before_open": _C(422, "a market closes after it opens",
                            _("A market closes after it opens.")),
    "close_in_the_past": _C(422, "the close time has passed", _PAST),
    "duplicate_outcome_code": _C(422, "each code is used once",
                                 _("Two outcomes look too much alike.")),
    "duplicate_outcome_name": _C(422, "each name is used once", _("Each outcome is named once.")),
    "fee_rate_without_kind": _C(422, "without fees there is no rate",
                                _("Without fees there is no rate.")),
    "group_missing": _C(422, "name the group that sees it", _("Choose a group.")),
    "illegal_status_change": _C(409, "a market that is {from_status} can't become {to_status}",
                                _NOT_NOW),
    "maker_missing": _C(422, "without liquidity there is no market maker",
                        _("Without liquidity there is no market maker.")),
    "maker_not_funded": _C(422, "whoever funds the market maker lacks {missing}",
                           _("Whoever funds the market maker lacks {missing}.")),
    "may_not_create_markets": _C(403, "only operators can create markets",
                                 _("Only operators can create markets here.")),
    "not_a_draft": _C(409, "this market is no longer a draft",
                      _("This market is no longer a draft.")),
    "not_approved": _C(409, "an operator has to approve this market",
                       _("An operator has to approve this market first.")),
    "not_proposed": _C(409, "this market is not proposed", _("This market is not proposed.")),
    "not_your_market": _C(403, "only its creator and operators can do this",
                          _("Only its creator and operators can do this.")),
    "operators_only": _C(403, "only operators can set this", _("Only operators can set this.")),
    "outcome_count": _C(422, "a market has {least} to {most} outcomes",
                        _("A market has {least} to {most} outcomes.")),
    "outcomes_not_binary": _C(422, "a binary market has the outcomes YES and NO",
                              _("A market of yes and no has the outcomes YES and NO.")),
    "resolver_stopped": _C(422, "this user can't act now",
                           _("This user is suspended or closed.")),
    "settles_before_close": _C(422, "a market settles after it closes",
                               _("A market settles after it closes.")),
    "slug_taken": _C(409, "another market has this address", _("Another market has this address.")),
    "too_many_tags": _C(422, "a market has at most {count} tags",
                        _("A market has at most {count} tags.")),
    "unknown_category": _C(400, "there is no such category"),
    "unknown_event": _C(400, "there is no such event"),
    "unknown_group": _C(400, "there is no such group", _("You are not in this group.")),
    "unknown_tag": _C(400, "there is no such tag"),
    # --- comments and groups (pages only) ---
    "bad_duration": _C(422, None, _("An invitation holds for 1 to 90 days.")),
    "bad_number": _C(422, None, _("An invitation is for 1 to 10,000 people.")),
    "last_owner": _C(409, None, _("You are the only owner. Make someone else an owner first.")),
    "market_not_public": _C(409, None, _("Nobody else can see this market yet.")),
    "name_taken": _C(409, None, _("Another group has this name.")),
    "not_a_moderator": _C(403, None, _("This needs a moderator.")),
    "not_an_owner": _C(403, None, _("This needs an owner of the group.")),
    "own_comment": _C(422, None, _("Withdraw your own comment instead.")),
    "own_membership": _C(422, None, _("Leave the group instead.")),
    "too_many_groups": _C(422, None, _("You own the maximum number of groups.")),
    # --- orders ---
    "account_busy": _C(503, "an account that this needs is locked by something else: try again",
                       _("An account this needs is locked at the moment. Try again.")),
    "bad_client_order_id": _C(400, "a client order id has 1 to 64 printable ASCII characters",
                              field="client_order_id"),
    "budget_invalid": _C(
        422, "a budget stands in for the quantity of a market order, is above 0, and goes with "
        "neither fok nor decrement",
        _("The amount to spend must be above 0, and can't be combined with “fill or kill”."),
        "budget"),
    "budget_too_small": _C(422, None, _("That is not enough for one contract at this price.")),
    "client_order_id_reused": _C(
        409, "this client order id was used for another order",
        _("This form was sent before with other values, and that order may be open. Check your "
          "orders, then send this one again if you still want it."), "client_order_id"),
    "clock_wrong": _C(503, "the exchange's clock is wrong, so no order is taken: try again later",
                      _("The exchange's clock is wrong. Nothing was changed; try again later.")),
    "engine_away": _C(503, "the matching engine is away: try again",
                      _("The matching engine is away. Nothing was changed; try again.")),
    "exchange_halted": _C(409, "trading is halted on the whole exchange",
                          _("Trading is halted on the whole exchange.")),
    "expiry_invalid": _C(422, "gtd limit orders, and only they, have an expires_at in the future",
                         _("Choose a time in the future."), "expires_at"),
    "liquidity_invalid": _C(
        422, "the market has no market maker, or it can't have this liquidity, or this account has "
        "not added as much",
        _("There is no market maker here, or you take out more than you have added."), "quantity"),
    "market_closed": _C(409, "the market is closed", _("Trading in this market has ended."),
                        "market"),
    "market_not_open": _C(409, "the market is not open", _("This market is not open for trading."),
                          "market"),
    "nothing_to_amend": _C(422, "the order already has this price and quantity",
                           _("The order already has this price and quantity.")),
    "order_not_open": _C(409, "the order is already {status}", _("This order has already ended.")),
    "outcome_unknown": _C(422, "the market has no such outcome", _("Choose one of the outcomes."),
                          "outcome"),
    "outcome_unknown.winners": _C(400, "the market has no such outcome", field="winners"),
    "overloaded": _C(503, "too many orders are under way: try again", _BUSY),
    "position_limit": _C(
        422, "with its open orders the position would exceed the limit",
        _("Together with your open orders this would exceed the market's position limit."),
        "quantity"),
    "post_only_invalid": _C(422, "post_only goes with resting limit orders only",
                            _("Only a limit order that may wait can be post-only."), "post_only"),
    "post_only_would_cross": _C(
        422, "a post-only order would trade at once",
        _("At this price it would fill immediately, which a post-only order must not."), "price"),
    "price_missing": _C(422, "a limit order needs a price", _("A limit order needs a price."),
                        "price"),
    "price_off_tick": _C(422, "the price is not a multiple of the market's tick",
                         _("The price must be a multiple of {tick}."), "price"),
    "price_out_of_range": _C(422, "the price must lie between 0 and 1",
                             _("The price must lie between 0 and 1."), "price"),
    "quantity_not_positive": _C(422, "the quantity must be above 0", _ENTER_CONTRACTS, "quantity"),
    "quantity_off_step": _C(422, "the quantity is not a multiple of the market's lot step",
                            _("The number of contracts must be a multiple of {step}."), "quantity"),
    "quantity_too_large": _C(422, "an order has at most 10000000 contracts",
                             _("An order has at most 10,000,000 contracts."), "quantity"),
    "reduce_only_no_position": _C(422, "there is no position that this order would reduce",
                                  _("You have no position that this order would reduce."),
                                  "reduce_only"),
    "resting_refused": _C(
        422, "no order rests in this market: send a market order, or a limit order with ioc or fok",
        _("No order waits in this market. Choose one that trades at once."), "time_in_force"),
    "sale_by_credits": _C(422, None, _("When you sell, enter the number of contracts.")),
    "timed_out": _C(
        504, "the outcome is unknown: retry with the same client order id (or Idempotency-Key)",
        _("No answer came in time. Check what happened, then try again.")),
    "timed_out.order": _C(
        504, None,
        _("No answer came in time. Send it again: nothing is done twice.")),
    "too_many_triggers": _C(
        422, "at most 200 orders of an account wait for their triggers in a market",
        _("Too many of your orders in this market already wait for their triggers."), "trigger"),
    "trigger_invalid": _C(
        422, "a trigger has a price on the tick, only a trailing stop has a trail, and an order by "
        "budget has no trigger; once it was reached it can't be changed",
        _("The trigger needs a price that is a multiple of the tick."), "trigger"),
    "too_late": _C(422, "it arrived after its valid_until", None, "valid_until"),
    "wrong_currency": _C(422, "this market trades in {currency}", None, "currency"),
    # --- open markets and their results ---
    "already_disputed": _C(409, "you have already disputed this result",
                           _("You have already disputed this result.")),
    "already_paid": _C(409, "this result is already being paid",
                       _("This result is already being paid.")),
    "bad_url": _C(422, None, _("This is not a web address: it must begin with https://.")),
    "changed_meanwhile": _C(409, "the market has changed in the meantime: read it again",
                            _("The market has changed in the meantime: reload the page.")),
    "configuration_invalid": _C(409, "the engine does not accept these terms in the market's state",
                                _("The matching engine does not accept these terms.")),
    "dispute_undecided": _C(409, "decide its disputes first",
                            _("A dispute of this result is still open: decide it first.")),
    "dispute_window_over": _C(409, "this result is final", _("The dispute window has ended.")),
    "evidence_missing": _C(422, "give evidence, or a link to it",
                           _("Give evidence for the result, or a link to it.")),
    "house_cover_needed": _C(
        409, "some gains have been withdrawn: the house would pay {amount}; confirm that amount",
        _("Some gains have been withdrawn: the house would have to pay more. Confirm the amount "
          "above.")),
    "market_is_voided": _C(409, "a void can't be disputed", _("A void can't be disputed.")),
    "market_not_binary": _C(400, "only a binary market has a YES"),
    "may_not_resolve": _C(403, "this needs the market's resolver or an operator with that right",
                          _("This needs the market's resolver or an operator.")),
    "not_closed": _C(409, "only a closed market has a result",
                     _("Only a closed market can have a result, and this one is not closed.")),
    "not_concerned": _C(403, "only those who traded in this market can dispute its result",
                        _("Only those who traded in this market can dispute its result.")),
    "not_halted": _C(409, "this market is not halted", _("This market is not halted.")),
    "not_resolving": _C(409, "no result of this market has been proposed",
                        _("No result has been proposed yet.")),
    "not_trading": _C(409, "this market is neither open nor halted", _NOT_NOW),
    "own_dispute": _C(403, "you can't decide your own dispute",
                      _("You can't decide your own dispute.")),
    "payout_negative": _C(422, "no outcome can pay less than 0",
                          _("No outcome pays less than 0."), "payout"),
    "payout_not_a_list": _C(422, "a payout is a list of prices, one per outcome",
                            _("Say what each outcome pays."), "payout"),
    "payout_not_whole_pips": _C(422, "a payout is a whole number of pips",
                                _("That has too many decimals."), "payout"),
    "payout_sum_not_one": _C(422, "the payouts must add up to exactly 1 credit",
                             _("Together the outcomes pay exactly 1."), "payout"),
    "payout_unclear": _C(400, "send exactly one of payout, yes and winners"),
    "payout_unknown_outcome": _C(422, "there is no outcome with that index",
                                 _("There is no such outcome."), "payout"),
    "payout_without_winner": _C(422, "name at least one winning outcome",
                                _("Choose what has won."), "payout"),
    "payout_wrong_length": _C(422, "a payout has one price per outcome",
                              _("Say what each outcome pays."), "payout"),
    # --- the feed ---
    "already_authenticated": _C(409, "this connection is another account's"),
    "message_too_large": _C(413, "a message has at most {bytes} bytes"),
    "too_many_subscriptions": _C(429, "one connection follows at most {count} channels of markets"),
}
# fmt: on


def list_api_codes() -> list[str]:
    """Return the codes that the API can answer with, for its schema."""
    return sorted(
        code for code, said in ERROR_CODES.items() if said.message is not None and "." not in code
    )
