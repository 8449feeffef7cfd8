"""What pages say of this app's refusals (see `accounts.refusals`); of orders: `pages.words`."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from accounts.refusals import Sentences

SENTENCES: Final[Sentences] = {
    "engine_away": _("The matching engine is away. Nothing was changed; try again."),
    "overloaded": _("Nothing was sent. Try again in a moment."),
    "account_busy": _("An account that this needs is in use elsewhere for the moment. Try again."),
    "clock_wrong": _("The exchange's clock is wrong. Nothing was changed; try again later."),
    "timed_out": _("No answer came in time. Look at the market, then try again."),
    "exchange_halted": _("Trading is halted on the whole exchange."),
    "order_not_open": _("This order has ended already."),
    # an open market
    "not_trading": _("The market's status does not allow this (any more)."),
    "not_halted": _("This market is not halted."),
    "changed_meanwhile": _("The market has changed meanwhile: look again."),
    "configuration_invalid": _("The engine does not take these terms."),
    # results
    "not_closed": _("Only a closed market has a result, and this one is not closed (any more)."),
    "evidence_missing": _("Say or link what shows the result."),
    "bad_url": _("This is no web address; it begins with https://."),
    "may_not_resolve": _("This needs the market's resolver or an operator."),
    "not_resolving": _("No result stands any more."),
    "already_paid": _("This result is being paid already."),
    "house_cover_needed": _(
        "Gains made here are gone: the house would pay more. Confirm the amount above."
    ),
    # disputes
    "market_is_voided": _("A void is not disputed."),
    "dispute_window_over": _("The time for disputes is over."),
    "not_concerned": _("Only those who traded in this market dispute its result."),
    "already_disputed": _("Your dispute stands already."),
    "own_dispute": _("Nobody decides their own dispute."),
}
