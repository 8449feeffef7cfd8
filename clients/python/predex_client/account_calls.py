"""The calls about the account: who it is, its money, keys, sub-accounts and webhooks."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from predex_client import own
from predex_client.describing import end, get, given, list_rows, send
from predex_client.requests import Page, Request
from predex_client.terms import DeliveryState, KeyRequest, Scope, WebhookEvent
from predex_client.values import Number, decode, encode_number

# --- who it is, and what it has --------------------------------------------------------------


def register(
    email: str,
    handle: str,
    password: str,
    *,
    key: KeyRequest | None = None,
    display_name: str | None = None,
    invite_code: str | None = None,
) -> Request[own.Registration]:
    """Make an account, with a first API key where addresses need not be verified before."""
    body = given(
        email=email, handle=handle, password=password, key=key, display_name=display_name,
        invite_code=invite_code,
    )  # fmt: skip
    return send("POST", "auth/register", own.Registration, body)


def log_in(email: str, password: str, *, totp: str | None = None) -> Request[own.Tokens]:
    """Log in: a client with `tokens.access` as its key may also manage the account for a while."""
    body = given(email=email, password=password, totp=totp)
    return send("POST", "auth/login", own.Tokens, body)


def me() -> Request[own.User]:
    """Who the key belongs to, and its scopes."""
    return get("me", own.User)


def limits() -> Request[own.Limits]:
    """The token buckets of reading and writing."""
    return get("limits", own.Limits)


def account() -> Request[own.Account]:
    """The balance."""
    return get("account", own.Account)


def ledger(*, kind: str | None = None) -> Request[Page[own.Transfer]]:
    """Every transfer in and out of the balance."""
    return list_rows("ledger", own.Transfer, kind=kind)


def portfolio() -> Request[own.Portfolio]:
    """Money, what it is used for, and what positions are worth."""
    return get("portfolio", own.Portfolio)


def positions(
    *, market: str | None = None, settled: bool | None = None
) -> Request[Page[own.Position]]:
    """Positions by market."""
    shown = None if settled is None else str(settled).lower()
    return list_rows("positions", own.Position, market=market, settled=shown)


def fills(
    *,
    market: str | None = None,
    order_id: str | None = None,
    updated_since: datetime | None = None,
) -> Request[Page[own.Fill]]:
    """Own fills; with `updated_since` the oldest first."""
    return list_rows(
        "fills", own.Fill, market=market, order_id=order_id, updated_since=updated_since
    )


# --- keys, by who has logged in ---------------------------------------------------------------


def api_keys() -> Request[Page[own.Key]]:
    """Own API keys, newest first."""
    return list_rows("keys", own.Key)


def create_api_key(
    name: str,
    *,
    scopes: Sequence[Scope] = ("read", "trade"),
    networks: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    public_key: str | None = None,
    subaccount: int | None = None,
) -> Request[own.NewKey]:
    """Make a key, after a log-in of the last five minutes.

    `networks` are from where it may be used, in CIDR notation. With `public_key` (PEM) it signs its
    requests and has no secret: see `Signer`.
    """
    body = given(
        name=name, scopes=tuple(scopes), networks=networks and tuple(networks),
        expires_at=expires_at, public_key=public_key, subaccount=subaccount,
    )  # fmt: skip
    return send("POST", "keys", own.NewKey, body)


def revoke_api_key(key_id: str) -> Request[None]:
    """Revoke a key, after a log-in of the last five minutes; it stops within a second."""
    return end("keys/{key_id}", key_id=key_id)


# --- sub-accounts -----------------------------------------------------------------------------


def subaccounts() -> Request[tuple[own.Subaccount, ...]]:
    """Own accounts with their balances, the main one (number 0) first."""
    return Request(
        method="GET", path="subaccounts", is_repeatable=True,
        read=lambda body: decode(tuple[own.Subaccount, ...], body["results"]),
    )  # fmt: skip


def open_subaccount() -> Request[own.Subaccount]:
    """Open the next sub-account."""
    return send("POST", "subaccounts", own.Subaccount)


def transfer(
    amount: Number,
    *,
    from_subaccount: int = 0,
    to_subaccount: int = 0,
    idempotency_key: str | None = None,
) -> Request[own.SubaccountTransfer]:
    """Move free credits between two own accounts, at once and once; 0 is the main one."""
    body = {
        "amount": encode_number(amount),
        "from_subaccount": from_subaccount,
        "to_subaccount": to_subaccount,
    }
    return Request(
        method="POST", path="subaccounts/transfers", body=body, is_repeatable=True,
        read=lambda body: decode(own.SubaccountTransfer, body),
        idempotency_key=idempotency_key or uuid4().hex,
    )  # fmt: skip


def transfers() -> Request[Page[own.SubaccountTransfer]]:
    """Transfers between own accounts, newest first; `ledger` has all of one account's."""
    return list_rows("subaccounts/transfers", own.SubaccountTransfer)


# --- webhooks, by who has logged in -----------------------------------------------------------


def webhooks() -> Request[Page[own.Webhook]]:
    """Own webhooks, newest first."""
    return list_rows("webhooks", own.Webhook)


def webhook(webhook_id: str) -> Request[own.Webhook]:
    """One own webhook."""
    return get("webhooks/{webhook_id}", own.Webhook, webhook_id=webhook_id)


def create_webhook(url: str, events: Sequence[WebhookEvent]) -> Request[own.NewWebhook]:
    """Have events sent to an address, after a log-in of the last five minutes.

    Keep the answer's `secret`: with it `verify_webhook` knows what was sent by the exchange.
    """
    return send("POST", "webhooks", own.NewWebhook, {"url": url, "events": tuple(events)})


def change_webhook(
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[WebhookEvent] | None = None,
    is_on: bool | None = None,
) -> Request[own.Webhook]:
    """Change its address (after a log-in) or events, or switch it off or on."""
    body = given(url=url, events=events and tuple(events), is_on=is_on)
    return send("PATCH", "webhooks/{webhook_id}", own.Webhook, body, webhook_id=webhook_id)


def delete_webhook(webhook_id: str) -> Request[None]:
    """Delete a webhook and its log; nothing more is sent."""
    return end("webhooks/{webhook_id}", webhook_id=webhook_id)


def ping_webhook(webhook_id: str) -> Request[own.Delivery]:
    """Send it a test."""
    return send("POST", "webhooks/{webhook_id}/ping", own.Delivery, webhook_id=webhook_id)


def deliveries(
    webhook_id: str, *, state: DeliveryState | None = None
) -> Request[Page[own.Delivery]]:
    """What was sent to a webhook or is to be, newest first."""
    path = "webhooks/{webhook_id}/deliveries"
    return list_rows(path, own.Delivery, params={"webhook_id": webhook_id}, state=state)


def redeliver(webhook_id: str, delivery_id: str) -> Request[own.Delivery]:
    """Send a delivery again, under its id."""
    path = "webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"
    return send("POST", path, own.Delivery, webhook_id=webhook_id, delivery_id=delivery_id)
