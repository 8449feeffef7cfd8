"""Actions on a market before it trades, in pairs: `check_` may refuse, `do_` writes.

A `do_` runs its check inside its transaction, on the locked row, so that a market can't be edited
and opened concurrently. A refusal is a `RefusedError` with a stable code; it changes nothing.
`fields` are names and values of the model's own fields, plus `tags` (a list of Tag); outcomes are
pairs of code and name.
"""

from markets.actions.approval import (
    check_approve_market,
    check_propose_market,
    check_ready_to_open,
    check_reject_market,
    do_approve_market,
    do_propose_market,
    do_reject_market,
)
from markets.actions.clarifying import check_clarify_market, do_clarify_market
from markets.actions.comments import (
    check_comment,
    do_comment,
    do_hide_comment,
    do_report_comment,
    do_show_comment,
    do_withdraw_comment,
    may_moderate,
)
from markets.actions.copying import check_clone_market, do_clone_market
from markets.actions.creation import (
    OUTCOMES,
    check_create_market,
    check_may_create_markets,
    do_create_market,
    get_default_terms,
    may_create_markets,
)
from markets.actions.editing import (
    check_edit_market,
    check_set_outcomes,
    do_edit_market,
    do_set_outcomes,
    lock_market,
)
from markets.actions.exchange import (
    check_not_in_maintenance,
    do_edit_exchange,
)
from markets.actions.grouping import check_create_market_group, do_create_market_group
from markets.actions.groups import (
    check_create_group,
    check_may_run_group,
    do_create_group,
    do_invite,
    do_join,
    do_leave,
    do_make_owner,
    do_remove_member,
    do_withdraw_invitation,
    find_invitation,
)
from markets.actions.importing import do_import_markets
from markets.actions.rules import (
    DESCRIPTIVE_FIELDS,
    TAGS_MAX,
    TEXT_FIELDS,
    OutcomePair,
    check_is_editable,
    check_may_edit,
    check_outcomes,
    has_traded,
    may_manage_markets,
    may_resolve_markets,
)
from markets.actions.schedules import (
    check_create_schedule,
    do_create_schedule,
    do_make_current_market,
    do_pause_schedule,
    do_resume_schedule,
    fill_in,
    list_active_schedules,
)
