"""What pages say of this app's refusals (see `accounts.refusals`)."""

from typing import Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.refusals import Sentences
from markets.actions import TAGS_MAX
from markets.models import OUTCOMES_MAX, OUTCOMES_MIN

SENTENCES: Final[Sentences] = {
    "maintenance": _("The exchange is in maintenance: nothing can be changed right now."),
    # a market
    "may_not_create_markets": _("Only operators can create markets here."),
    "not_your_market": _("Only its creator and operators can do this."),
    "operators_only": _("Only operators can set this."),
    "not_a_draft": _("This market is no longer a draft."),
    "already_approved": _("This is already approved."),
    "not_approved": _("An operator has to approve this market first."),
    "not_proposed": _("This market is not proposed."),
    "illegal_status_change": _("The market's status no longer allows this."),
    "blank.note": _("Say what needs to change."),
    # what it says
    "slug_taken": _("Another market has this address."),
    "bad_slug": _("An address has 1 to 80 of a-z, 0-9 and inner dashes."),
    "close_in_the_past": _("That time has already passed."),
    "close_before_open": _("A market closes after it opens."),
    "settles_before_close": _("A market settles after it closes."),
    "bad_dispute_window": _("A dispute window is at most 90 days."),
    "resolver_stopped": _("This user is suspended or closed."),
    "too_many_tags": format_lazy(_("A market has at most {count} tags."), count=TAGS_MAX),
    "group_missing": _("Choose a group."),
    "unknown_group": _("You are not in this group."),
    "bad_tick": _("A tick divides 1 and lies between 0.001 and 0.5."),
    "bad_lot_step": _("A lot step lies between 0.01 and 10,000."),
    "bad_position_limit": _("A position limit is above 0, at most 10^10."),
    "bad_fee_rate": _("A rate lies between 0 and 1."),
    "fee_rate_without_kind": _("Without fees there is no rate."),
    "bad_fee_unit": _("A fee unit is 0.000001 or 0.01."),
    # its outcomes
    "outcomes_not_binary": _("A market of yes and no has the outcomes YES and NO."),
    "outcome_count": format_lazy(
        _("A market has {least} to {most} outcomes."), least=OUTCOMES_MIN, most=OUTCOMES_MAX
    ),
    "bad_outcome_code": _("A code has 1 to 32 of A-Z, 0-9, dot, dash and underscore."),
    "duplicate_outcome_code": _("Two outcomes look too much alike."),
    "duplicate_outcome_name": _("Each outcome is named once."),
    "blank.outcomes": _("Each outcome has a name."),
    # its result
    "payout_not_a_list": _("Say what each outcome pays."),
    "payout_wrong_length": _("Say what each outcome pays."),
    "payout_not_whole_pips": _("That has too many decimals."),
    "payout_negative": _("No outcome pays less than 0."),
    "payout_sum_not_one": _("Together the outcomes pay exactly 1."),
    "payout_without_winner": _("Choose what has won."),
    "payout_unknown_outcome": _("There is no such outcome."),
    # comments
    "market_not_public": _("Nobody else can see this market yet."),
    "blank.text": _("Write a comment first."),
    "blank.reason": _("Give a reason."),
    "too_long": _("This is too long."),
    "own_comment": _("Withdraw your own comment instead."),
    "not_a_moderator": _("This needs a moderator."),
    # groups
    "blank.name": _("Give the group a name."),
    "name_taken": _("Another group has this name."),
    "too_many_groups": _("You own the maximum number of groups."),
    "not_an_owner": _("This needs an owner of the group."),
    "last_owner": _("Make someone else an owner of the group first."),
    "own_membership": _("Leave the group instead."),
    "bad_duration": _("An invitation holds for 1 to 90 days."),
    "bad_number": _("An invitation is for 1 to 10,000 people."),
}
