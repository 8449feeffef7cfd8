"""How often somebody may try what could be abused, before a 429.

(count, seconds), by address and by account; pages and API share them.
"""

ATTEMPT_LIMITS = {
    "log_in": {"address": (30, 60), "account": (5, 300)},
    "sign_up": {"address": (20, 3600)},
    "password_reset": {"address": (10, 3600), "account": (3, 3600)},
    "key_creation": {"address": (60, 3600), "account": (20, 3600)},
    "export": {"account": (5, 3600)},
    "comment": {"account": (6, 60)},
    "group": {"account": (10, 3600)},
}
