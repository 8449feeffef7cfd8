"""How often each task of `trading.tasks` is triggered: by Celery's beat, or inside `serve`.

A duplicate, late or lost trigger is harmless: due work is recorded in database rows.
"""

from typing import Any, Final

SECONDS: Final[dict[str, float]] = {
    "tick": 5.0,
    "make_scheduled": 5.0,
    "open_due": 2.0,
    "close_due": 2.0,
    "discount_due": 2.0,
    "expire_due": 2.0,
    "cancel_stopped": 5.0,
    "cancel_stopped_groups": 2.0,
    "fire_cancel_timers": 0.5,
    "refill_standing_orders": 5.0,
    "resolve_due": 2.0,
    "settle_due": 2.0,
    "derive_due": 1.0,
    "refresh_stats": 60.0,
    "record_equity": 900.0,
    "record_activity": 60.0,
    "notify_due": 5.0,
    "send_webhooks": 1.0,
    "forget_notifications": 86_400.0,
    "verify_nightly": 900.0,
}


def build_beat_schedule() -> dict[str, dict[str, Any]]:
    """Return Celery's schedule; a trigger that has waited for a whole interval is dropped."""
    return {
        name: {
            "task": f"trading.tasks.{name}",
            "schedule": seconds,
            "options": {"expires": seconds},
        }
        for name, seconds in SECONDS.items()
    }
