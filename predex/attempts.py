"""Limits on attempts at anything that invites abuse, before a 429.

(count, seconds), by address, by account, and by both together; pages and API share them. An address
is an IPv4 address or an IPv6 /64. `account_elsewhere` counts only addresses without a recent log-in
to the account: guessing stays bounded for any number of addresses, and never locks users out at
their usual address.
"""

ATTEMPT_LIMITS = {
    "log_in": {
        "address": (30, 60),
        "address_and_account": (5, 300),
        "account_elsewhere": (100, 3600),
    },
    "second_factor": {"account": (5, 300)},  # counts users who know the password
    "reauthentication": {"account": (5, 300)},  # counts logged-in users
    "sign_up": {"address": (20, 3600)},
    "password_reset": {"address": (10, 3600), "account": (3, 3600)},
    "key_creation": {"address": (60, 3600), "account": (20, 3600)},
    "export": {"account": (5, 3600)},
    "comment": {"account": (6, 60)},
    "group": {"account": (10, 3600)},
}
