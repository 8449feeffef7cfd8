"""Users, money and credentials in the admin: money is read-only, buttons call `do_` actions."""

from accounts.admin import audit, credentials, invites, policy, requests, rights, users
from accounts.admin.money import AccountAdmin
from accounts.admin.users import SuspendAction, UserAdmin
