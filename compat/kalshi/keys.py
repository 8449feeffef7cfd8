"""A program's keys, and what its account may ask for per second.

A key may make keys that may do no more than itself; the owner is notified of each.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from math import isinf
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from accounts.actions import do_create_api_key, do_revoke_api_key
from accounts.api.principal import OPERATE, act_for_sync, list_account_ids
from accounts.models import Account, ApiKey, User
from accounts.signing import SIGNING_KINDS, make_key_pair
from compat.kalshi.requests import KalshiCall
from kernel.errors import ApiError, not_found
from web import limits

KEYS_SHOWN: Final = 200
SCOPES: Final = {"read": "read", "write": "trade", "write::trade": "trade"}
"""Their names of scopes, and ours."""

Name = Annotated[str, Meta(min_length=1, max_length=60)]


class NewKalshiKey(Struct, kw_only=True):
    name: Name
    public_key: str
    scopes: list[str] | None = None
    subaccount: int | None = None


class GeneratedKey(Struct, kw_only=True):
    name: Name
    key_type: str = "rsa"
    scopes: list[str] | None = None
    subaccount: int | None = None


_new: Final = msgspec.json.Decoder(NewKalshiKey)
_generated: Final = msgspec.json.Decoder(GeneratedKey)


def list_keys(call: KalshiCall) -> dict[str, Any]:
    own = ApiKey.objects.live().filter(account__in=list_account_ids(call.caller))
    keys = own.exclude(public_key="").select_related("account")
    return {"api_keys": [_show(key) for key in keys.order_by("-id")[:KEYS_SHOWN]]}


def create_key(call: KalshiCall) -> dict[str, Any]:
    body: NewKalshiKey = call.read_body(_new)
    if not body.public_key:
        raise ApiError("bad_public_key")
    return {"api_key_id": str(_create(call, body, body.public_key).pk)}


def generate_key(call: KalshiCall) -> dict[str, Any]:
    body: GeneratedKey = call.read_body(_generated)
    if body.key_type not in SIGNING_KINDS:
        raise ApiError("invalid_choice", "key_type")
    private_key, public_key = make_key_pair(body.key_type)
    key = _create(call, body, public_key)
    return {"api_key_id": str(key.pk), "private_key": private_key, "key_type": body.key_type}


def delete_key(call: KalshiCall) -> None:
    try:
        key_id = uuid.UUID(call.names["api_key"])
    except ValueError:
        raise not_found("this key") from None
    own = ApiKey.objects.filter(account__in=list_account_ids(call.caller))
    keys = own.exclude(public_key="")
    key = keys.filter(pk=key_id).first()
    if key is None:
        raise not_found("this key")
    do_revoke_api_key(key, by=User.objects.get(pk=call.caller.user_id))


def _create(call: KalshiCall, body: NewKalshiKey | GeneratedKey, public_key: str) -> ApiKey:
    account_id = act_for_sync(call.caller, body.subaccount).account_id
    limits.check_attempt("key_creation", address="", account=str(account_id))
    ends = call.caller.expires_at
    key, _ = do_create_api_key(
        Account.objects.get(pk=account_id),
        name=body.name,
        scopes=_read_scopes(body.scopes, call.caller.scopes),
        by=User.objects.get(pk=call.caller.user_id),
        # A key makes none that may do more than itself, from elsewhere, or for longer.
        expires_at=None if isinf(ends) else datetime.fromtimestamp(ends, UTC),
        public_key=public_key,
        networks=call.caller.networks,
    )
    return key


def _read_scopes(sent: list[str] | None, own: Iterable[str]) -> set[str]:
    """Return our scopes; by default all of the key that asks."""
    allowed = set(own) & set(SCOPES.values())
    if sent is None:
        return allowed
    unknown = [scope for scope in sent if scope not in SCOPES]
    if unknown or not sent:
        raise ApiError("invalid_choice", "scopes", detail="send read and write")
    wanted = {SCOPES[scope] for scope in sent}
    if not wanted <= allowed:
        raise ApiError("missing_scope", "scopes", scope=", ".join(sorted(wanted - allowed)))
    return wanted


def _show(key: ApiKey) -> dict[str, Any]:
    names = {"read": "read", "trade": "write"}
    scopes = [names[scope] for scope in key.scopes if scope != OPERATE]
    number = key.account.subaccount or None  # that of the main account may name any
    return {"api_key_id": str(key.pk), "name": key.name, "scopes": scopes, "subaccount": number}


def show_limits(call: KalshiCall) -> dict[str, Any]:
    read, write = call.caller.read_rate, call.caller.write_rate
    return {
        "usage_tier": call.caller.account_kind,
        "read_limit": int(read.per_second),
        "write_limit": int(write.per_second),
        "read": {"refill_rate": int(read.per_second), "bucket_capacity": read.burst},
        "write": {"refill_rate": int(write.per_second), "bucket_capacity": write.burst},
        "grants": [],
    }


def show_costs(call: KalshiCall) -> dict[str, Any]:
    """Every request costs one token; a batch one for each order."""
    return {"default_cost": 1, "endpoint_costs": []}
