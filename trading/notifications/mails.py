"""Notifications by mail, for users who opted in: one mail per user and run."""

from itertools import groupby
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.policy import get_policy
from trading.models import MailState, Notification
from trading.notifications.sentences import describe_all

log = structlog.get_logger(__name__)

MAILS_A_RUN: Final = 500
SUBJECT_LENGTH_MAX: Final = 180


def send_due() -> None:
    """Claim what is due and send it; a mail that cannot be sent now becomes due again."""
    due = Notification.objects.filter(mail=MailState.DUE).order_by("id")
    rows = list(
        due.select_related("user", "market").prefetch_related("market__outcomes")[:MAILS_A_RUN]
    )
    rows.sort(key=lambda row: row.user_id)
    for _user_id, group in groupby(rows, key=lambda row: row.user_id):
        _send(list(group))


def _send(rows: list[Notification]) -> None:
    ids = [row.pk for row in rows]
    claimed = Notification.objects.filter(pk__in=ids, mail=MailState.DUE)
    if claimed.update(mail=MailState.SENT) < len(ids):
        return  # claimed by another process
    user = rows[0].user
    if not user.is_active or not user.email:
        return
    try:
        build_mail(user.email, rows).send()
    except OSError as fault:
        log.warning("mail_not_sent", user=user.pk, because=str(fault))
        Notification.objects.filter(pk__in=ids).update(mail=MailState.DUE)


def build_mail(address: str, rows: list[Notification]) -> EmailMultiAlternatives:
    with override(settings.LANGUAGE_CODE):
        site = get_policy().site_name
        texts = describe_all(rows)
        subject = texts[0].title if len(texts) == 1 else _("Updates from your markets")
        context = {"texts": texts, "site_name": site, "site_url": settings.SITE_URL}
        text = render_to_string("trading/mail.txt", context)
    return EmailMultiAlternatives(
        Truncator(f"{site}: {subject}").chars(SUBJECT_LENGTH_MAX), text, to=[address]
    )
