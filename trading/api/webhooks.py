"""Webhooks: where events are sent, the log of what was sent, sending again."""

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.permissions import check_recent_log_in
from accounts.api.schemas import ChoiceField, page_of
from kernel.errors import not_found
from trading import actions
from trading.models import SUBSCRIBABLE, DeliveryState, Webhook, WebhookDelivery
from web.fields import BooleanField, IdField, SecretField, StrictSerializer, TimeField
from web.outbound import URL_LENGTH_MAX
from web.pagination import PageQuery, paginate

NEWEST_FIRST = ["-id"]
STATES = [state.name.lower() for state in DeliveryState]


def _events_field(**options: Any) -> serializers.ListField:
    child = ChoiceField(choices=[event.value for event in SUBSCRIBABLE])
    return serializers.ListField(
        child=child, allow_empty=False, max_length=len(SUBSCRIBABLE), **options
    )


class NewWebhook(StrictSerializer):
    url = SecretField(max_length=URL_LENGTH_MAX, help_text="https, on the public internet.")
    events = _events_field()


class WebhookChange(StrictSerializer):
    url = SecretField(max_length=URL_LENGTH_MAX, required=False)
    events = _events_field(required=False)
    is_on = BooleanField(required=False)


class ShownWebhook(serializers.Serializer):
    id = IdField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    is_on = serializers.SerializerMethodField()
    failures = serializers.IntegerField(
        help_text="Attempts that failed since the last that did not."
    )
    created_at = TimeField()
    switched_off_at = TimeField(allow_null=True)

    def get_is_on(self, webhook: Webhook) -> bool:
        return webhook.switched_off_at is None


class ShownNewWebhook(ShownWebhook):
    secret = serializers.CharField(help_text="Signs what is sent; shown only now.")


class DeliveryQuery(PageQuery):
    state = ChoiceField(choices=STATES, default=None)


class ShownDelivery(serializers.Serializer):
    id = IdField()
    event = serializers.CharField()
    state = serializers.SerializerMethodField(help_text="due, delivered or failed.")
    attempts = serializers.IntegerField()
    last_status = serializers.IntegerField(
        allow_null=True, help_text="The receiver's answer to the last attempt; null for none."
    )
    last_error = serializers.CharField(help_text="Why there was none.")
    last_at = TimeField(allow_null=True)
    next_at = serializers.SerializerMethodField(help_text="The next attempt, while it is due.")
    body = serializers.CharField(help_text="What is sent, byte for byte.")
    created_at = TimeField()

    def get_state(self, delivery: WebhookDelivery) -> str:
        return STATES[delivery.state]

    def get_next_at(self, delivery: WebhookDelivery) -> str | None:
        is_due = delivery.state == DeliveryState.DUE
        return TimeField().to_representation(delivery.next_at) if is_due else None


class WebhookBase(ApiView):
    def find(self, webhook_id: uuid.UUID) -> Webhook:
        webhook = self.list_own().filter(pk=webhook_id).first()
        if webhook is None:
            raise not_found("this webhook")
        return webhook

    def list_own(self) -> QuerySet[Webhook]:
        return Webhook.objects.filter(user=self.principal.user_id)


class WebhooksView(WebhookBase):
    @extend_schema(parameters=[PageQuery], responses=page_of(ShownWebhook))
    def get(self, request: Request) -> Response:
        """List own webhooks, newest first; never their secrets."""
        page = paginate(self.list_own(), order=NEWEST_FIRST, **self.read_query(PageQuery))
        return Response(page.to_json(lambda row: ShownWebhook(row).data))

    @extend_schema(request=NewWebhook, responses={201: ShownNewWebhook})
    def post(self, request: Request) -> Response:
        """Register an address; needs a log-in, as keys do. docs/webhooks.md says what is sent."""
        check_recent_log_in(request)
        webhook, secret = actions.do_create_webhook(self.user, **self.read_body(NewWebhook))
        return Response({**ShownWebhook(webhook).data, "secret": secret}, status=201)


class WebhookView(WebhookBase):
    @extend_schema(operation_id="webhooks_show", responses=ShownWebhook)
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        return Response(ShownWebhook(self.find(webhook_id)).data)

    @extend_schema(request=WebhookChange, responses=ShownWebhook)
    def patch(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Change its address or events, or switch it off or on."""
        changes = self.read_body(WebhookChange)
        if "url" in changes:
            check_recent_log_in(request)
        webhook = actions.do_change_webhook(self.find(webhook_id), by=self.user, **changes)
        return Response(ShownWebhook(webhook).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Delete it and its log; what is due is not sent any more."""
        actions.do_delete_webhook(self.find(webhook_id), by=self.user)
        return Response(status=204)


class PingWebhookView(WebhookBase):
    @extend_schema(request=None, responses={201: ShownDelivery})
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Send it a test."""
        delivery = actions.do_ping_webhook(self.find(webhook_id))
        return Response(ShownDelivery(delivery).data, status=201)


class DeliveriesView(WebhookBase):
    @extend_schema(parameters=[DeliveryQuery], responses=page_of(ShownDelivery))
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """List what was sent or is to be, newest first; kept for 30 days, the last 1,000."""
        query = self.read_query(DeliveryQuery)
        rows, state = self.find(webhook_id).deliveries.all(), query.pop("state")
        if state is not None:
            rows = rows.filter(state=STATES.index(state))
        page = paginate(rows, order=NEWEST_FIRST, **query)
        return Response(page.to_json(lambda row: ShownDelivery(row).data))


class RedeliverView(WebhookBase):
    @extend_schema(request=None, responses=ShownDelivery)
    def post(self, request: Request, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:
        """Send a delivery again, under its id, with a new series of attempts."""
        found = self.find(webhook_id).deliveries.select_related("webhook").filter(pk=delivery_id)
        delivery = found.first()
        if delivery is None:
            raise not_found("this delivery")
        return Response(ShownDelivery(actions.do_redeliver(delivery)).data)
