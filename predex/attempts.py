"""How often somebody may try what could be abused, before a 429.

(count, seconds), by address, by account, and by both together; pages and API share them. An address
is an IPv4 address or an IPv6 /64. `account_elsewhere` counts only addresses from which nobody has
logged in to the account lately: guessing stays bounded whatever the number of addresses, and locks
nobody out where they usually are.
"""

ATTEMPT_LIMITS = {
    "log_in": {
        "address": (30, 60),
        "address_and_account": (5, 300),
        "account_elsewhere": (100, 3600),
    },
    "second_factor": {"account": (5, 300)},  # counts who knows the password
    "reauthentication": {"account": (5, 300)},  # counts who is logged in
    "sign_up": {"address": (20, 3600)},
    "password_reset": {"address": (10, 3600), "account": (3, 3600)},
    "key_creation": {"address": (60, 3600), "account": (20, 3600)},
    "export": {"account": (5, 3600)},
    "comment": {"account": (6, 60)},
    "group": {"account": (10, 3600)},
}
