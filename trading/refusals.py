"""What pages say of this app's refusals (see `accounts.refusals`); of orders: `pages.words`."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from accounts.refusals import Sentences

SENTENCES: Final[Sentences] = {
    "engine_away": _("The matching engine is away. Nothing was changed; try again."),
    "overloaded": _("Nothing was sent. Try again in a moment."),
    "account_busy": _("An account this needs is locked at the moment. Try again."),
    "clock_wrong": _("The exchange's clock is wrong. Nothing was changed; try again later."),
    "timed_out": _("No answer came in time. Look at the market, then try again."),
    "exchange_halted": _("Trading is halted on the whole exchange."),
    "order_not_open": _("This order has ended already."),
    # an open market
    "not_trading": _("The market's status no longer allows this."),
    "not_halted": _("This market is not halted."),
    "changed_meanwhile": _("The market has changed in the meantime: reload the page."),
    "configuration_invalid": _("The matching engine does not accept these terms."),
    # results
    "not_closed": _("Only a closed market has a result, and this one is not closed (any more)."),
    "evidence_missing": _("Give evidence for the result, or a link to it."),
    "bad_url": _("This is not a web address: it must begin with https://."),
    "may_not_resolve": _("This needs the market's resolver or an operator."),
    "not_resolving": _("There is no proposed result any more."),
    "already_paid": _("This result is being paid already."),
    "house_cover_needed": _(
        "Some gains have been withdrawn: the house would have to pay more. Confirm the amount "
        "above."
    ),
    # disputes
    "market_is_voided": _("A void is not disputed."),
    "dispute_window_over": _("The dispute window has ended."),
    "not_concerned": _("Only those who traded in this market can dispute its result."),
    "already_disputed": _("You have already disputed this result."),
    "dispute_undecided": _("A dispute of this result is still open: decide it first."),
    "own_dispute": _("You can't decide your own dispute."),
}
