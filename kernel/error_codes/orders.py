"""Codes of orders."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from kernel.error_codes.code import ENTER_CONTRACTS, ErrorCode

_C = ErrorCode
_BUSY: Final = _("Nothing was sent. Try again in a moment.")

# fmt: off
ORDERS: Final[dict[str, ErrorCode]] = {
    # --- orders ---
    "account_busy": _C(503, "an account that this needs is locked by something else: try again",
                       _("An account this needs is locked at the moment. Try again.")),
    "bad_client_order_id": _C(400, "a client order id has 1 to 64 printable ASCII characters",
                              field="client_order_id"),
    "bracket_invalid": _C(
        422, "an entry has one take-profit and one stop-loss at most, and takes its profit at a "
        "better price than its loss; an order that only reduces has neither, and the quantity of "
        "either is what its entry has filled",
        _("Take profit at a better price than the stop loss; only an order that opens a position "
          "has them."), "take_profit"),
    "budget_invalid": _C(
        422, "a budget stands in for the quantity of a market order, is above 0, and goes with "
        "neither fok nor decrement",
        _("The amount to spend must be above 0, and can't be combined with “fill or kill”."),
        "budget"),
    "budget_too_small": _C(422, "that is not enough for one lot step at this price",
                           _("That is not enough for one contract at this price.")),
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
    "order_group_stopped": _C(
        409, "the order group is stopped: reset it first",
        _("The order group is stopped: reset it first."), "order_group"),
    "order_group_unknown": _C(404, "there is no such order group", None, "order_group"),
    "order_not_resting": _C(409, "only an order that rests has a place in a queue: it is {status}"),
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
    "outcome_withdrawn": _C(409, "this outcome was withdrawn: its book is closed",
                            _("This outcome was withdrawn. It takes no orders any more."),
                            "outcome"),
    "price_missing": _C(422, "a limit order needs a price", _("A limit order needs a price."),
                        "price"),
    "price_off_tick": _C(422, "the price is not a multiple of the market's tick",
                         _("The price must be a multiple of {tick}."), "price"),
    "price_out_of_range": _C(422, "the price must lie between 0 and 1",
                             _("The price must lie between 0 and 1."), "price"),
    "price_off_tick.number": _C(422, None, _("The number must be on a step of {tick} from the "
                                             "lowest one."), "price"),
    "price_out_of_range.number": _C(422, None, _("The number must lie within the range."), "price"),
    "quantity_not_positive": _C(422, "the quantity must be above 0", ENTER_CONTRACTS, "quantity"),
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
    "standing_order_unclear": _C(422, "send a quantity or a daily budget, not both",
                                 _("Enter a number of contracts or a daily budget, not both.")),
    "timed_out": _C(
        504, "the outcome is unknown: retry with the same client order id (or Idempotency-Key)",
        _("No answer came in time. Check what happened, then try again.")),
    "timed_out.order": _C(
        504, None,
        _("No answer came in time. Send it again: nothing is done twice.")),
    "too_many_order_groups": _C(422, "an account has at most {count} order groups",
                                _("An account has at most {count} order groups.")),
    "too_many_standing_orders": _C(422, "an account has at most {count} standing orders",
                                   _("You have as many standing orders as you may.")),
    "too_many_triggers": _C(
        422, "at most 200 orders of an account wait for their triggers in a market",
        _("Too many of your orders in this market already wait for their triggers."), "trigger"),
    "trigger_by_credits": _C(
        422, None, _("For an order that waits for a price, enter the number of contracts.")),
    "trigger_invalid": _C(
        422, "a trigger has a price on the tick, only a trailing stop has a trail, and an order by "
        "budget has no trigger; once it was reached it can't be changed",
        _("The trigger needs a price that is a multiple of the tick."), "trigger"),
    "too_late": _C(422, "it arrived after its valid_until", None, "valid_until"),
    "wrong_currency": _C(422, "this market trades in {currency}", None, "currency"),
}
# fmt: on
