"""Serializers of this app's API."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from accounts.actions.credentials import NETWORKS_MAX
from accounts.models.account import RequestStatus, TransferKind
from accounts.models.credentials import SCOPES
from accounts.signing import PEM_LENGTH_MAX
from web.fields import (
    AmountField,
    IdField,
    IntegerField,
    LineField,
    SecretField,
    StrictSerializer,
    TextField,
    TimeField,
)
from web.pagination import PageQuery

NETWORK_LENGTH_MAX = 60
PASSWORD_LENGTH_MAX = 256
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 64 ASCII characters: sent again, the request gets its first answer.",
)

# --- input ------------------------------------------------------------------------------------


class EmailField(TextField, serializers.EmailField):
    """An e-mail address; stored and compared in lower case."""


class ChoiceField(serializers.ChoiceField):
    """One of the named texts; other types are not converted."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("send a string", code="wrong_type")
        return super().to_internal_value(data)


class NewKey(StrictSerializer):
    name = LineField(max_length=60)
    scopes = serializers.ListField(
        child=ChoiceField(choices=SCOPES), allow_empty=False, max_length=len(SCOPES)
    )
    expires_at = TimeField(default=None, allow_null=True)
    networks = serializers.ListField(
        child=LineField(max_length=NETWORK_LENGTH_MAX),
        default=list,
        max_length=NETWORKS_MAX,
        help_text="From where it may be used, in CIDR notation; empty: from everywhere.",
    )
    public_key = TextField(
        max_length=PEM_LENGTH_MAX,
        default="",
        allow_blank=True,
        help_text="PEM, RSA or Ed25519, of a key that signs its requests: it has no secret.",
    )


class NewKeyOfAccount(NewKey):
    subaccount = IntegerField(
        default=0, min_value=0, max_value=63, help_text="Whose it is; 0: the main account's."
    )


class Registration(StrictSerializer):
    email = EmailField(max_length=254)
    password = SecretField(max_length=PASSWORD_LENGTH_MAX, trim_whitespace=False)
    handle = TextField(max_length=30)
    display_name = LineField(max_length=60, default="", allow_blank=True)
    invite_code = TextField(max_length=40, default="", allow_blank=True)
    key = NewKey(
        default=None,
        allow_null=True,
        help_text="A first API key, where addresses need not be verified before.",
    )


class LogIn(StrictSerializer):
    email = EmailField(max_length=254)
    password = SecretField(max_length=PASSWORD_LENGTH_MAX, trim_whitespace=False)
    totp = TextField(max_length=20, default="", allow_blank=True)


class Refresh(StrictSerializer):
    refresh = TextField(max_length=2_000)


class LogOut(StrictSerializer):
    refresh = TextField(max_length=2_000, default="", allow_blank=True)


class Profile(StrictSerializer):
    display_name = LineField(max_length=60, allow_blank=True)


class Deletion(StrictSerializer):
    password = SecretField(max_length=PASSWORD_LENGTH_MAX, trim_whitespace=False)


class NewRequest(StrictSerializer):
    amount = AmountField()
    note = TextField(max_length=200, default="", allow_blank=True)


class NewDeposit(StrictSerializer):
    handle = TextField(max_length=30)
    account = IntegerField(default=1, min_value=1, max_value=32_767)
    amount = AmountField()
    reason = TextField(max_length=200, default="", allow_blank=True)


class Decision(StrictSerializer):
    decision = ChoiceField(choices=["approve", "reject"])
    reason = TextField(max_length=200, default="", allow_blank=True)


@extend_schema_serializer(component_name="Reason")
class SuspensionReason(StrictSerializer):
    reason = TextField(max_length=200)


class LedgerQuery(PageQuery):
    kind = ChoiceField(choices=TransferKind.choices, default=None)


class RequestQuery(PageQuery):
    status = ChoiceField(choices=RequestStatus.choices, default=None)


# --- output -----------------------------------------------------------------------------------


class ShownError(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(allow_null=True)
    request_id = serializers.CharField()


class ShownTokens(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField(help_text="Works once, for `POST /auth/refresh`.")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")


class ShownUser(serializers.Serializer):
    handle = serializers.CharField()
    display_name = serializers.CharField()
    email = serializers.CharField()
    email_verified = serializers.BooleanField()
    is_operator = serializers.BooleanField()
    two_factor = serializers.BooleanField()
    credential = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = TimeField()


class ShownKey(serializers.Serializer):
    id = IdField()
    subaccount = serializers.IntegerField(source="account.subaccount")
    prefix = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    networks = serializers.ListField(child=serializers.CharField())
    signs = serializers.BooleanField(help_text="Its `id` and a signature take a secret's place.")
    created_at = TimeField()
    expires_at = TimeField(allow_null=True)
    last_used_at = TimeField(allow_null=True)
    revoked_at = TimeField(allow_null=True)


class ShownNewKey(ShownKey):
    secret = serializers.CharField(
        allow_null=True, help_text="The key itself, shown only now; null for one that signs."
    )


class ShownRegistration(serializers.Serializer):
    handle = serializers.CharField()
    email_verified = serializers.BooleanField(help_text="If false, a mail asks to verify it.")
    key = ShownNewKey(allow_null=True, help_text="Null: none was asked for.")


class ShownAccount(serializers.Serializer):
    account = serializers.IntegerField(source="number")
    subaccount = serializers.IntegerField(help_text="0: the main account.")
    kind = serializers.CharField()
    currency = serializers.CharField()
    cash = AmountField(source="cash_micros")
    held = AmountField(source="held_micros")
    withdrawing = AmountField(source="withdrawing_micros")
    available = AmountField(source="available_micros")
    locked_collateral = AmountField(source="locked_collateral_micros")
    equity = AmountField(source="equity_micros", allow_null=True)


class ShownTransfer(serializers.Serializer):
    id = IdField()
    kind = serializers.CharField()
    amount = AmountField(source="signed_micros", help_text="Above 0: it came in.")
    counterparty = serializers.CharField()
    market = serializers.CharField(allow_null=True)
    reference = IdField(allow_null=True)
    reason = serializers.CharField(help_text="Why an operator moved it; empty for all else.")
    created_at = TimeField()


class ShownWithdrawal(serializers.Serializer):
    id = IdField()
    amount = AmountField(source="amount_micros")
    note = serializers.CharField()
    status = serializers.CharField()
    reason = serializers.CharField()
    requested_at = TimeField()
    decided_at = TimeField(allow_null=True)


class ShownOpenWithdrawal(ShownWithdrawal):
    handle = serializers.CharField(source="account.owner.handle")


class ShownDepositRequest(ShownWithdrawal):
    pass


class ShownOpenDepositRequest(ShownOpenWithdrawal):
    pass


class ShownDeposit(serializers.Serializer):
    handle = serializers.CharField()
    account = serializers.IntegerField()
    amount = serializers.CharField()
    cash = serializers.CharField()


class ShownBucket(serializers.Serializer):
    per_second = serializers.IntegerField()
    burst = serializers.IntegerField()
    remaining = serializers.IntegerField()


class ShownLimits(serializers.Serializer):
    read = ShownBucket()
    write = ShownBucket()


class ShownStanding(serializers.Serializer):
    handle = serializers.CharField()
    suspended_at = TimeField(allow_null=True)


def page_of(serializer: type[serializers.Serializer]) -> type[serializers.Serializer]:
    """Return the schema of a cursor page of `serializer`s."""
    fields = {
        "results": serializer(many=True),
        "next_cursor": serializers.CharField(allow_null=True),
    }
    return type(f"{serializer.__name__}Page", (serializers.Serializer,), fields)
