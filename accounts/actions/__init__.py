"""Actions on users, accounts and credits, in pairs: `check_` may refuse, `do_` writes.

A `do_` runs its check inside its transaction, under the locks, so that two concurrent ones cannot
both pass. Amounts are micros. A refusal is a `RefusedError` with a stable code; it changes nothing.
"""

from accounts.actions.bonds import Bond, do_forfeit_bond, do_return_bonds, do_take_bond
from accounts.actions.credentials import (
    check_create_api_key,
    check_help_user,
    do_create_api_key,
    do_end_browser,
    do_end_login,
    do_end_sessions,
    do_log_in,
    do_refresh_login,
    do_reset_mfa,
    do_revoke_api_key,
    do_revoke_api_keys,
)
from accounts.actions.credits import (
    Issue,
    check_issue,
    check_issue_by_operator,
    check_request_deposit,
    check_request_withdrawal,
    do_cancel_deposit,
    do_cancel_withdrawal,
    do_decide_deposit,
    do_decide_withdrawal,
    do_deposit,
    do_grant,
    do_grant_many,
    do_open_maker_account,
    do_open_market_accounts,
    do_request_deposit,
    do_request_withdrawal,
    get_house_id,
    get_issuer_id,
)
from accounts.actions.policy import do_edit_policy
from accounts.actions.privacy import check_delete_user, do_delete_user
from accounts.actions.setup import check_setup_key, do_make_first_operator, do_offer_setup
from accounts.actions.subaccounts import (
    check_move_funds,
    check_open_subaccount,
    do_move_funds,
    do_open_subaccount,
)
from accounts.actions.users import (
    check_close_account,
    check_create_user,
    check_sign_up,
    do_change_profile,
    do_close_account,
    do_create_operator,
    do_create_user,
    do_move_email,
    do_reinstate_user,
    do_sign_up,
    do_sign_up_with_key,
    do_suspend_user,
    do_welcome_user,
    find_account,
    is_retired,
)
from accounts.audit import record_audit
