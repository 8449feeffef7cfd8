"""Users, their accounts and credentials, the ledger's rows, and the policy."""

from accounts.models.account import Account, DepositRequest, Transfer, WithdrawalRequest
from accounts.models.append_only import AppendOnly, AppendOnlyError
from accounts.models.credentials import ApiKey, LoginSession, SetupKey
from accounts.models.policy import FeeType, InviteCode, Policy
from accounts.models.records import AuditEvent, IdempotentRequest
from accounts.models.user import RetiredHandle, User
