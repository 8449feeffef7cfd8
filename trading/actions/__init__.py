"""Actions on markets that trade, in pairs: `check_` may refuse, `do_` executes.

Status and terms of a live market change through its engine (`live`), the result in the database
(`results`). `by` is the user who decides; None is the exchange itself, at a scheduled time. The
`do_` of `live` and `orders` must not run inside a transaction: the engine needs locks too.
"""

from trading.actions.corrections import (
    check_approve_correction,
    check_correct_result,
    check_cover_correction,
    check_withdraw_correction,
    do_approve_correction,
    do_correct_result,
    do_cover_correction,
    do_withdraw_correction,
    find_correction,
)
from trading.actions.discounts import (
    check_set_discount,
    do_apply_discount,
    do_end_discount,
    do_set_discount,
    list_due_discounts,
)
from trading.actions.liquidity import check_change_liquidity, do_change_liquidity
from trading.actions.live import (
    check_approve_and_open_market,
    check_change_close_time,
    check_clear_market,
    check_close_market,
    check_halt_market,
    check_open_market,
    check_refine_tick,
    check_resume_market,
    check_withdraw_outcome,
    do_approve_and_open_market,
    do_change_close_time,
    do_clear_market,
    do_close_market,
    do_halt_market,
    do_open_market,
    do_refine_tick,
    do_resume_market,
    do_withdraw_outcome,
)
from trading.actions.order_groups import (
    do_cancel_group,
    do_change_order_group_limit,
    do_create_order_group,
    do_delete_order_group,
    do_reset_order_group,
    do_stop_order_group,
    find_filled_lots,
    forget_group_fills,
    list_stopped_groups,
)
from trading.actions.orders import (
    check_cancel_orders,
    do_cancel_orders,
    do_cancel_own_orders,
    do_fire_cancel_timer,
    do_pass_time,
    list_due_cancel_timers,
)
from trading.actions.panels import (
    check_give_verdict,
    check_set_panel,
    do_give_verdict,
    do_remove_panel,
    do_set_panel,
    find_judge,
    list_verdicts,
)
from trading.actions.resolvers import (
    check_approve_resolver,
    check_set_resolver,
    do_approve_resolver,
    do_remove_resolver,
    do_run_resolver,
    do_set_resolver,
    list_due_resolvers,
)
from trading.actions.results import (
    check_approve_result,
    check_decide_dispute,
    check_dispute_result,
    check_pay_result,
    check_resolve_market,
    check_void_market,
    check_withdraw_result,
    do_approve_result,
    do_decide_dispute,
    do_dispute_result,
    do_pay_result,
    do_resolve_market,
    do_void_market,
    do_withdraw_result,
    may_resolve,
)
from trading.actions.standing_orders import (
    NewStandingOrder,
    check_create_standing_order,
    do_create_standing_order,
    do_refill_standing_order,
    do_stop_standing_order,
    list_due_standing_orders,
)
from trading.actions.webhooks import (
    check_create_webhook,
    do_change_webhook,
    do_create_webhook,
    do_delete_webhook,
    do_ping_webhook,
    do_redeliver,
)
