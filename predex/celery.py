"""Celery triggers what is due. Due times live in database rows: a task run twice is harmless.

A worker and one beat run in production (`celery -A predex worker`, `celery -A predex beat`).
Embedded there is no broker: `trading.management.scheduler` calls the same functions inside the one
process.
"""

import os
import sys
from typing import Any

from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from trading.settlement.schedule import build_beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

app = Celery("predex")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = build_beat_schedule()
app.autodiscover_tasks()


@app.on_configure.connect
def refuse_unsafe_settings(**_: Any) -> None:
    """`celery` is no `manage.py`, which says the same."""
    try:
        settings.INSTALLED_APPS  # noqa: B018 - the first use reads them all
    except ImproperlyConfigured as fault:
        sys.exit(f"predex cannot start: {fault}")
