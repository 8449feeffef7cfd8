"""`Idempotency-Key`: one effect and one answer per account and key, for ever.

The key is stored in the transaction of its effect. A repeat gets the first answer, even a refusal;
the same key with another body or for another operation is a 409. A concurrent repeat waits in the
database until the first has finished.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from django.db import transaction

from accounts.models import IdempotentRequest
from kernel.errors import ApiError, AuthError

_KEY = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)

Answer = tuple[int, Any]


def run_once(
    account_id: int,
    key: str | None,
    operation: str,
    body: Mapping[str, Any],
    effect: Callable[[], Answer],
) -> Answer:
    """Return `effect`'s (status, JSON) or the first answer to this key; without a key just run it.

    `body` is the request's content as plain values, by which a repeat is recognised as the same.
    """
    if key is None:
        return effect()
    check_key(key)
    digest = _compute_digest(operation, body)
    with transaction.atomic():
        request, is_new = IdempotentRequest.objects.get_or_create(
            account_id=account_id,
            key=key,
            defaults={"operation": operation, "body_digest": digest},
        )
        if not is_new:
            return _repeat(request, digest)
        refusal = None
        try:
            with transaction.atomic():
                request.status, request.answer = effect()
        except AuthError:  # after authenticating again the caller may retry it
            raise
        except ApiError as error:
            if (
                error.status >= 500
            ):  # a temporary condition must not be stored as the answer for ever
                raise
            refusal = error
            request.status = error.status
            request.answer = {"code": error.code, "message": error.message, "field": error.field}
        request.save(update_fields=["status", "answer"])
    if refusal is not None:
        raise refusal
    return request.status, request.answer


def check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise ApiError("bad_idempotency_key")


def _repeat(request: IdempotentRequest, digest: str) -> Answer:
    if request.body_digest != digest:
        raise ApiError("idempotency_key_reused")
    if request.status >= 400:
        answer = request.answer
        refusal = ApiError(answer["code"], answer["field"], detail=answer["message"])
        refusal.status = request.status
        raise refusal
    return request.status, request.answer


def _compute_digest(operation: str, body: Mapping[str, Any]) -> str:
    raw = msgspec.json.encode([operation, body], order="sorted", enc_hook=str)
    return hashlib.sha256(raw).hexdigest()
